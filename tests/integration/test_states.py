"""What llamad publishes of each node: state, observation, availability; and of itself: status and cluster."""

import json

import pytest

from tests.support.gatekeeper import CLOSE, PASS
from tests.support.waiting import hold, wait_until


class Listener:
    """Keeps the last retained values, as the broker would."""

    def __init__(self, client):
        self.client = client

    @property
    def values(self) -> dict[str, bytes]:
        kept = {}
        for message in self.client.messages("llama/#"):
            if message.topic == "llama/events":
                continue
            if message.payload:
                kept[message.topic] = message.payload
            else:
                kept.pop(message.topic, None)
        return kept

    def json(self, topic):
        value = self.values.get(topic)
        return None if value is None else json.loads(value)

    def wait(self, topic, expected, timeout=10):
        def fits():
            value = self.values.get(topic)
            return value is not None and (expected(json.loads(value)) if callable(expected) else value.decode() == expected)
        wait_until(fits, timeout, f"{topic} as expected, not {self.values.get(topic)}")


@pytest.fixture
def listener(stack):
    return Listener(stack.mqtt_client("llama/#"))


def late(stack):
    """What a subscriber sees who comes now: all of it, since what is published after it has come, too."""
    client = stack.mqtt_client("llama/#", "test/marker")
    client.publish("test/marker", b"end")
    client.wait_for("test/marker")
    seen = Listener(client).values
    client.close()
    return seen


def test_agent_node_is_published_retained(stack, listener):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi \"b\" ü", interval_s=3600).come_alive({"system:cpu_temp": 45.5, "gpio:17": 1})
    fake.report("observations", b'{"observations":[{"id":1,"timestamp":"2026-11-23T08:00:00","text":"old"},'
                                b'{"id":2,"timestamp":"2026-11-23T09:00:00","text":"new"}]}', utc_offset_s=0)
    root = f"llama/{fake.node}"
    listener.wait(f"{root}/availability", "online")
    listener.wait(f"{root}/state", lambda s: s.get("gpio:17") == 1 and s["_node"]["state"] == "online")
    listener.wait(f"{root}/observation", lambda o: o["text"] == "new")
    state = listener.json(f"{root}/state")
    node = llamad.node(fake.node)
    assert list(state) == ["system:cpu_temp", "gpio:17", "_node"] and state["system:cpu_temp"] == 45.5
    assert list(state["_node"])[:4] == ["state", "cause", "via", "last_seen"]
    assert state["_node"] == {"state": "online", "cause": None, "via": "mqtt", "last_seen": node["last_seen"],
                              "reason": node["reason"], "clock_skew_s": node["clock_skew_s"], "version": "0.1.0",
                              "counts": {"readings": 2, "observations": 3, "memories": 2}}
    assert listener.json(f"{root}/observation") == {
        "node": fake.node, "at": "2026-11-23T09:00:00.000Z", "id": 2, "timestamp": "2026-11-23T09:00:00", "text": "new"}
    listener.wait("llama/cluster", lambda c: c["nodes"] == {
        "total": 1, "online": 1, "degraded": 0, "stale": 0, "unreachable": 0, "unknown": 0})
    assert listener.values["llama/status"] == b"online"
    assert late(stack) == listener.values
    ours = [m for m in listener.client.messages("llama/#") if m.topic != "llama/events"]
    assert {(m.qos, m.retain) for m in ours} == {(1, True)}


def test_nodes_are_published_however_they_are_heard(stack, listener):
    node = stack.node("kitchen", "polled")
    stack.llamad({"cluster": {"manual_nodes": [{"name": "polled", "url": node.url}]}}).wait_node("polled", "online")
    stack.mqtt.publish("smollama/edge/readings", {"node": "edge", "timestamp": 1, "readings": [
        {"source": "dht11:temperature", "value": 21.5, "unit": "celsius"}]}, qos=0)
    listener.wait("llama/polled/state", lambda s: s.get("system:cpu_temp") == 0.0 and s["_node"]["via"] == "http")
    listener.wait("llama/polled/observation", lambda o: o["node"] == "polled")
    listener.wait("llama/edge/state", lambda s: s["dht11:temperature"] == 21.5 and s["_node"]["via"] == "edge")
    node.stop()
    listener.wait("llama/polled/availability", "offline", 20)
    assert listener.json("llama/polled/state")["system:cpu_temp"] == 0.0, "the last values stay"
    assert listener.json("llama/polled/state")["_node"]["state"] == "unreachable"


def test_busy_node_is_published_once_a_second_with_its_last_value(stack, listener):
    llamad = stack.llamad()
    fake = stack.fake_agent("busy", interval_s=3600).come_alive()
    for value in range(300):
        fake.readings({"count:n": value})
    listener.wait("llama/busy/state", lambda s: s.get("count:n") == 299)
    times = [m.at for m in listener.client.messages("llama/busy/state")]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert not gaps or min(gaps) > 0.5, gaps
    seen = llamad.node("busy")["last_seen"]
    listener.wait("llama/busy/state", lambda s: s["_node"]["last_seen"] == seen)
    count = len(listener.client.messages("llama/busy/+"))
    hold(lambda: len(listener.client.messages("llama/busy/+")) == count, 1.5, "nothing changed, nothing is said")


def test_forgotten_node_is_cleared(stack, listener):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi", interval_s=3600).come_alive()
    fake.report("observations", b'{"observations":[{"id":1,"timestamp":"2026-11-23T08:00:00","text":"t"}]}')
    wait_until(lambda: len([t for t in listener.values if t.startswith("llama/pi/")]) == 3, 10, "all three are there")
    assert llamad.http.request("DELETE", "/api/cluster/nodes/pi?confirm=pi").status == 204
    wait_until(lambda: not [t for t in late(stack) if t.startswith("llama/pi/")], 5, "all is cleared")
    assert llamad.health()["published"]["cleared"] == 1
    fake.come_alive({"a:b": 1})
    listener.wait("llama/pi/state", lambda s: s.get("a:b") == 1)


@pytest.mark.timeout(100)
def test_orphans_of_an_earlier_run_are_cleared(stack, listener):
    """Of a node that was forgotten while no llamad ran; that of a node that is still there stays."""
    llamad = stack.llamad()
    stays, goes = (stack.fake_agent(name, interval_s=3600).come_alive() for name in ("stays", "goes"))
    for fake in (stays, goes):
        listener.wait(f"llama/{fake.node}/state", lambda s: "system:cpu_temp" in s)
    llamad.stop()
    for leaf in ("status", "health", "readings", "stats"):
        stack.mqtt.publish(goes.topic(leaf), b"", retain=True)
    stack.mqtt.publish("llama/a/b/availability", b"online", retain=True)
    llamad.start()
    assert [t for t in late(stack) if t.startswith("llama/goes/")]
    wait_until(lambda: not [t for t in late(stack) if t.startswith("llama/goes/")], 60, "all of it is cleared",
               interval=1)
    assert json.loads(late(stack)["llama/stays/state"])["system:cpu_temp"] == 45.5
    assert late(stack)["llama/a/b/availability"] == b"online", "none of ours"


def test_status_is_offline_after_a_stop_and_after_a_death(stack, listener):
    llamad = stack.llamad()
    listener.wait("llama/status", "online")
    llamad.stop()
    listener.wait("llama/status", "offline")
    llamad.start()
    listener.wait("llama/status", "online")
    llamad.kill()
    listener.wait("llama/status", "offline")
    assert late(stack)["llama/status"] == b"offline"


def test_who_says_offline_while_llamad_is_here_is_contradicted(stack, listener):
    """The will of a run whose machine lost its power comes when the broker misses it, long after the next run began."""
    llamad = stack.llamad()
    listener.wait("llama/status", "online")
    for _ in range(2):
        count = len(listener.client.messages("llama/status"))
        stack.mqtt.publish("llama/status", b"offline", retain=True)
        wait_until(lambda count=count: [m.payload for m in listener.client.messages("llama/status")[count:]] == [b"offline", b"online"],
                   5, "it is contradicted")
    assert late(stack)["llama/status"] == b"online"
    llamad.stop()
    listener.wait("llama/status", "offline")


def test_everything_is_published_once_after_a_reconnect(stack, listener):
    gate = {"open": True}
    keeper = stack.gatekeeper(lambda _connect, _number: PASS if gate["open"] else CLOSE)
    llamad = stack.llamad({"mqtt": {"broker": "127.0.0.1", "port": keeper.port}})
    llamad.wait_broker()
    fakes = [stack.fake_agent(f"pi-{n}", interval_s=3600).come_alive({"n:n": n}) for n in range(200)]
    for n, fake in enumerate(fakes):
        listener.wait(f"llama/{fake.node}/state", lambda s, n=n: s.get("n:n") == n)
    wait_until(lambda: llamad.health()["published"]["waiting"] == 0, 10, "all is said")
    gate["open"] = False
    keeper.cut()
    llamad.wait_broker("disconnected")
    listener.wait("llama/status", "offline")
    for fake in fakes:  # the broker has lost all
        for leaf in ("state", "availability"):
            stack.mqtt.publish(f"llama/{fake.node}/{leaf}", b"", retain=True, wait=False)
    fakes[7].readings({"n:n": 1000})
    wait_until(lambda: not [t for t in listener.values if t.startswith("llama/pi-")], 10, "it is empty")
    gate["open"] = True
    listener.wait("llama/status", "online", 20)
    for n, fake in enumerate(fakes):
        listener.wait(f"llama/{fake.node}/state", lambda s, n=n: s.get("n:n") == (1000 if n == 7 else n))
        listener.wait(f"llama/{fake.node}/availability", "online", 20)
    assert llamad.health()["published"]["left_out"] == 0


def test_broker_without_retained_messages_gets_them_plain(stack):
    """It refuses a retained will, too: the connection comes all the same."""
    broker = stack.broker(name="plain", lines=["retain_available false"])
    listener = stack.mqtt_client("llama/#", port=broker.port)
    llamad = stack.llamad(broker_port=broker.port)
    llamad.wait_broker()
    stack.mqtt_client("alpaca/#", port=broker.port).publish("smollama/edge/readings", {"node": "edge", "readings": [
        {"source": "a:b", "value": 1, "unit": None}]}, qos=0)
    state = listener.wait_for("llama/edge/state", lambda m: m.payload and m.json.get("a:b") == 1)
    assert not state.retain
    listener.wait_for("llama/status", lambda m: m.payload == b"online")
    assert "keeps no retained messages" in llamad.log and llamad.health()["published"]["left_out"] == 0
    llamad.kill()
    listener.wait_for("llama/status", lambda m: m.payload == b"offline")


def test_state_above_the_brokers_limit_keeps_the_node_itself(stack):
    broker = stack.broker(name="small", lines=["max_packet_size 20000"])
    listener = Listener(stack.mqtt_client("llama/#", port=broker.port))
    llamad = stack.llamad(broker_port=broker.port)
    llamad.wait_broker()
    publisher = stack.mqtt_client(port=broker.port)
    for part in range(4):
        publisher.publish(f"smollama/edge-{part}/readings", {"node": f"edge-{part}", "readings": [
            {"source": f"text:{n}", "value": "x" * (700 if part else 10), "unit": None} for n in range(20)]}, qos=0)
    listener.wait("llama/edge-1/state", lambda s: s["_node"]["state"] == "online" and len(s) == 21)
    # a reading re-exported many times over: more than fits into one packet
    wide = b'{"node":"wide","readings":[' + b",".join(
        b'{"source":"t:%d","value":"%s"}' % (n, b"\\u0041" * 60) for n in range(50)) + b"]}"
    publisher.publish("smollama/wide/readings", wide, qos=0)
    listener.wait("llama/wide/state", lambda s: s["_node"]["state"] == "online" and 2 < len(s) < 51)
    assert llamad.health()["published"]["left_out"] > 0
    assert "more than fit into one message" in llamad.log
