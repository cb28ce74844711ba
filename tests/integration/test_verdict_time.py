"""What takes minutes, with clocks that the test moves: real programs, and no waiting for it."""

import datetime
import json
import time

import pytest

from tests.support.recordings import Answer
from tests.support.set_clock import SetClock
from tests.support.smollama_node import Connection, Request
from tests.support.waiting import hold, stretched, wait_until

PACE_S = 30  # of Smollama's edge nodes
HUMIDITY = "dht11:humidity"
READING = {"source": HUMIDITY, "value": 40, "unit": "%", "ts": "2026-11-23T07:51:18.244000+00:00"}


@pytest.fixture
def clock(tmp_path) -> SetClock:
    return SetClock(tmp_path)


def status_of(llamad, name: str) -> tuple:
    node = llamad.nodes()[name]
    return node["status"], node["cause"]


def seconds_of(stamp: str) -> float:
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


# --- edge nodes ---

def send(stack, name: str, value: int = 40) -> None:
    report = {"node": name, "readings": [READING | {"value": value}]}
    stack.mqtt.publish(f"smollama/{name}/readings", json.dumps(report).encode(), qos=0)


class Edge:
    """An edge node, and llamad with a clock of its own."""

    def __init__(self, stack, clock: SetClock):
        self.stack, self.clock = stack, clock
        self.llamad = stack.llamad(env=clock.env)
        self.sent = 0
        self.message()

    def message(self) -> None:
        """One is sent, and has arrived. It is known by its value: two may come within one millisecond."""
        self.sent += 1
        send(self.stack, "edge", self.sent)
        wait_until(lambda: self.value() == self.sent, 5, "the message has come")

    def value(self) -> int | None:
        return next((r["value"] for r in self.llamad.readings() if (r["node"], r["full_id"]) == ("edge", HUMIDITY)), None)

    def wait(self, seconds: int) -> tuple:
        """So much later: small steps, so that whatever is due on the way happens. The state then."""
        while seconds > 0:
            self.clock.skip(min(seconds, 10))
            seconds -= 10
            self.tick()
        return status_of(self.llamad, "edge")

    def tick(self) -> None:
        """What is due happens between one request and the next."""
        for _ in range(2):
            health = self.llamad.health()
        if health["broker"]["state"] == "connected":  # and its keepalive has been answered
            before = self.llamad.nodes().get("marker", {}).get("last_seen")
            send(self.stack, "marker")
            wait_until(lambda: self.llamad.nodes()["marker"]["last_seen"] != before, 5, "the broker delivers")


def test_edge_node_at_its_usual_pace(stack, clock):
    """Every 30 s is online all the time, a lost message included; then late, and in the end gone."""
    edge = Edge(stack, clock)
    for distance_s in (30, 31, 29, 60, 30, 33, 27, 60, 30):
        assert edge.wait(distance_s) == ("online", None)
        edge.message()
    assert edge.llamad.events() == []
    usual = edge.llamad.node("edge")["reason"]
    assert "messages come about every 3" in usual or "messages come about every 4" in usual, usual
    states = [(second, edge.wait(10)) for second in range(10, 330, 10)]
    stale = next(second for second, state in states if state == ("stale", "late"))
    gone = next(second for second, state in states if state == ("unreachable", "no_message"))
    assert 90 <= stale <= 140 and 2 * stale - 30 <= gone <= 2 * stale + 30, states
    assert [state for state in dict.fromkeys(state for _, state in states)] == [
        ("online", None), ("stale", "late"), ("unreachable", "no_message")], "one way only"
    lost = edge.llamad.nodes()["edge"]
    assert "no message since" in lost["reason"] and "usually every" in lost["reason"]
    assert len(edge.llamad.readings(node="edge")) == 1, "the last values stay"
    edge.message()
    assert status_of(edge.llamad, "edge") == ("online", None)
    moves = [(e["from"], e["to"]) for e in reversed(edge.llamad.events(node="edge"))]
    assert moves == [("online", "stale"), ("stale", "unreachable"), ("unreachable", "online")]


def test_a_burst_of_messages_makes_no_edge_node_late(stack, clock):
    """A network that was stuck lets go of all at once; then it goes on at the usual pace."""
    edge = Edge(stack, clock)
    for _ in range(3):
        for _ in range(30):
            send(stack, "edge")
        edge.message()
        assert edge.wait(60) == ("online", None)
        edge.message()
    assert edge.llamad.events() == []


def test_an_edge_node_is_not_made_late_by_an_outage(stack, clock):
    broker = stack.broker()
    edge = Edge(stack, clock)
    broker.stop()
    edge.llamad.wait_node("edge", "unknown", "broker_down")
    assert edge.wait(200) == ("unknown", "broker_down")
    broker.start()
    edge.llamad.wait_broker()
    assert edge.wait(60)[0] == "unknown", "it is given its time"
    edge.llamad.wait_node("edge", "unknown", "broker_down")
    assert "the broker is back since" in edge.llamad.nodes()["edge"]["reason"]
    assert edge.wait(60)[0] == "stale"
    assert [(e["node"], e["to"]) for e in edge.llamad.events()] == [("edge", "stale"), (None, "unknown")]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_edge_node_at_its_real_pace(stack):
    llamad = stack.llamad()
    for silence_s in (PACE_S, 1):
        send(stack, "edge")
        llamad.wait_node("edge", "online", via="edge")
        hold(lambda: status_of(llamad, "edge") == ("online", None), silence_s, "30 s of silence are its way", 0.2)
    assert llamad.events() == []


# --- sensors that stand still ---

class Stuck:
    """/api/readings of which some sensors tell the same time for ever."""

    def __init__(self) -> None:
        self.still: set[str] = set()
        self.last: dict[str, dict] = {}

    def __call__(self, conn: Connection, recorded: Answer, _request: Request) -> bool:
        body = json.loads(recorded.body)
        for index, item in enumerate(body["readings"]):
            if item["full_id"] in self.still:
                body["readings"][index] = self.last[item["full_id"]]
            self.last[item["full_id"]] = body["readings"][index]
        return conn.send(recorded.with_body(json.dumps(body).encode()).wire)


class Sensors:
    """A machine with an agent, and llamad: time passes for both of them."""

    STEP_S = 20
    #: A fetch that is under way when the clock is moved takes too long: the others are not what this is about.
    PACES = {"heartbeat_interval": STEP_S, "readings_interval": 10, "observations_interval": 3600, "stats_interval": 3600,
             "memories_interval": 3600}

    def __init__(self, stack, clock: SetClock):
        self.clock, self.stuck = clock, Stuck()
        node = stack.node(name="pi", moving=True)
        node.behave("readings", self.stuck)
        self.llamad = stack.llamad(env=clock.env)
        self.agent = stack.agent(node, {"alpaca": self.PACES}, env=clock.env)
        self.llamad.wait_node("pi", "online")
        wait_until(lambda: self.llamad.readings(node="pi"), 5, "readings")

    def captured(self) -> str:
        return self.llamad.get("/api/cluster/readings", node="pi")["nodes"]["pi"]["captured_at"]

    def now(self) -> float:
        return time.time() + self.clock.skipped

    def wait(self, until: float) -> None:
        """Snapshots keep coming all the time."""
        while self.now() < until:
            self.clock.skip(self.STEP_S)
            since = self.captured()
            wait_until(lambda: seconds_of(self.captured()) > seconds_of(since) + self.STEP_S / 2, 10, "fresh readings")


@pytest.mark.timeout(150)
def test_a_sensor_that_stands_still_is_named_until_it_moves(stack, clock):
    sensors = Sensors(stack, clock)
    assert {"dht11:humidity", "dht11:temperature"} <= set(sensors.stuck.last)
    sensors.stuck.still = {"dht11:humidity"}
    began = sensors.now()
    sensors.wait(began + 260)
    assert status_of(sensors.llamad, "pi") == ("online", None), "five minutes are the least"
    sensors.wait(began + 320)
    shown = sensors.llamad.wait_node("pi", "degraded", "frozen", timeout=5)
    assert shown["reason"].startswith("readings have not moved: dht11:humidity, since ") and shown["via"] == "mqtt"
    since = seconds_of(shown["reason"].rsplit(" ", 1)[1])
    assert abs(since - began) < stretched(10), (shown["reason"], began)
    sensors.wait(sensors.now() + 40)
    assert sensors.llamad.nodes()["pi"]["reason"] == shown["reason"], "it tells since when, and stays as it is"
    sensors.stuck.still = set()
    sensors.llamad.wait_node("pi", "online", timeout=10)
    assert [e["cause"] for e in sensors.llamad.events(node="pi")] == [None, "frozen"]


def test_a_smollama_that_is_away_is_no_frozen_sensor(stack, clock):
    """What does not come does not stand still."""
    sensors = Sensors(stack, clock)
    sensors.stuck.still = {"dht11:humidity"}
    sensors.wait(sensors.now() + 200)
    before = sensors.captured()
    clock.skip(120)  # nobody was awake
    wait_until(lambda: seconds_of(sensors.captured()) > seconds_of(before) + 100, 10, "fresh readings")
    sensors.wait(sensors.now() + 150)
    sensors.llamad.wait_node("pi", "online", timeout=10)
    assert not [e for e in sensors.llamad.events(node="pi") if e["cause"] == "frozen"]
