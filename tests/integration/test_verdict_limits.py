"""How soon the truth is known, and what does not disturb it: delays, clocks years off, sessions that alternate."""

import datetime
import random
import socket
import threading
import time

import pytest

from tests.support.processes import free_port
from tests.support.set_clock import SetClock
from tests.support.waiting import Stopwatch, hold, stretched, wait_until

DAY_S = 86400


def status_of(llamad, name: str) -> tuple:
    node = llamad.nodes()[name]
    return node["status"], node["cause"]


def epoch(year: int, month: int = 1, day: int = 2) -> int:
    return int(datetime.datetime(year, month, day, tzinfo=datetime.timezone.utc).timestamp())


def age_s(stamp: str) -> float:
    """How long ago that was, by our clock."""
    return time.time() - datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


# --- how soon ---

def test_a_closed_socket_is_known_after_one_poll(stack):
    """Everything on the machine dies, its kernel closes what was open: the will comes at once, long before any
    heartbeat is late."""
    node = stack.node(name="open", moving=True)
    config = {"alpaca": {"heartbeat_interval": 10}}
    llamad = stack.llamad({"cluster": {"request_timeout": 2}})
    agents = [stack.agent(node, config, announce=True), stack.agent(stack.node(name="hidden", moving=True), config)]
    for name in ("open", "hidden"):
        llamad.wait_node(name, "online", via="mqtt")
    node.refuse()
    watch = Stopwatch()
    for agent in agents:
        agent.kill()
    llamad.wait_node("hidden", "stale", "will", timeout=2)
    llamad.wait_node("open", "unreachable", "no_answer", timeout=2 + 2)
    assert watch.seconds < stretched(2 + 2)
    reasons = {name: shown["reason"] for name, shown in llamad.nodes().items()}
    assert all("its agent lost its connection at " in reason for reason in reasons.values()), reasons
    assert "connection refused" in reasons["open"]


def test_a_will_with_a_hanging_machine_is_known_after_the_limit_of_one_poll(stack):
    node = stack.node(name="open", moving=True)
    llamad = stack.llamad({"cluster": {"request_timeout": 3}})
    agent = stack.agent(node, {"alpaca": {"heartbeat_interval": 10}}, announce=True)
    llamad.wait_node("open", "online", via="mqtt")
    node.behave("*", "hang")
    watch = Stopwatch()
    agent.kill()
    llamad.wait_node("open", "stale", "will", timeout=2)
    shown = llamad.wait_node("open", "unreachable", "no_answer", timeout=2 + 3)
    assert watch.seconds < stretched(2 + 3) and "no answer in time" in shown["reason"]


# --- jitter ---

class SlowLink:
    """A TCP proxy that keeps what the client sends back for up to `most_s`, in its order."""

    def __init__(self, port: int, most_s: float, seed: int):
        self.target, self.most_s, self.dice = port, most_s, random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.listener.getsockname()[1]
        self.longest_s = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(client, broker, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(broker, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, slow: bool) -> None:
        try:
            while data := source.recv(65536):
                if slow:
                    wait_s = self.dice.choice((0, self.dice.uniform(0, self.most_s), self.most_s))
                    self.longest_s = max(self.longest_s, wait_s)
                    time.sleep(wait_s)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self.listener.close()


@pytest.mark.timeout(90)
def test_agents_behind_a_slow_link_stay_online(stack):
    """Heartbeats come up to 2.25 intervals apart: 2.5 are still no lateness. Nor are they a wrong clock."""
    interval_s = 2
    llamad = stack.llamad()
    links = [SlowLink(stack.broker_port, 1.25 * interval_s, seed) for seed in range(4)]
    names = [f"pi-{number}" for number in range(len(links))]
    for name, link in zip(names, links):
        config = {"alpaca": {"source": "system", "heartbeat_interval": interval_s, "readings_interval": 60,
                             "stats_interval": 60}}
        stack.agent(name, config, broker_port=link.port)
    for name in names:
        llamad.wait_node(name, "online", timeout=30)
    hold(lambda: all(status_of(llamad, name) == ("online", None) for name in names), 16, "jitter is no lateness")
    assert min(link.longest_s for link in links) >= interval_s, "the links were slow indeed"
    assert llamad.events() == []
    for link in links:
        link.close()


# --- clocks ---

@pytest.mark.parametrize("date", [epoch(1970), epoch(2106, 2, 8)], ids=["1970", "2106"])
def test_a_clock_years_off_is_said_and_mends(stack, tmp_path, date):
    """Without a battery clock it is 1970; 2106 is beyond 32 bits."""
    clock, node = SetClock(tmp_path), stack.node(name="wrong", moving=True)
    offset_s = date - int(time.time())
    clock.move(offset_s)
    node._movement.clock_shift_s = offset_s
    llamad = stack.llamad()
    stack.agent(stack.node(name="right", moving=True))
    stack.agent(node, env=clock.env)
    shown = llamad.wait_node("wrong", "degraded", "clock_skew")
    days, side = abs(offset_s) // DAY_S, "behind" if offset_s < 0 else "ahead of"
    assert any(f"its clock is wrong: {d} days {side} llamad's" == shown["reason"] for d in (days - 1, days, days + 1))
    assert abs(shown["clock_skew_s"] - offset_s) < 5
    confirmed = wait_until(lambda: llamad.nodes()["wrong"]["confirmed_at"], 5, "readings")
    assert -2 < age_s(confirmed) < 10 and -2 < age_s(shown["last_seen"]) < 10, "ages are by our clock"
    assert status_of(llamad, "right") == ("online", None)
    node.refuse()
    shown = llamad.wait_node("wrong", "degraded", "smollama_down", timeout=10)
    since = shown["reason"].split("(since ")[1].split(")")[0]
    assert -2 < age_s(since) < stretched(15), "times in sentences are ours, too"
    node._movement.clock_shift_s = 0
    node.start()
    clock.move(0)
    llamad.wait_node("wrong", "online", timeout=15)
    assert status_of(llamad, "right") == ("online", None)
    assert llamad.get("/api/cluster/nodes").get("incidents", []) == []


@pytest.mark.parametrize("date", [epoch(1970), epoch(2106, 2, 8)], ids=["1970", "2106"])
def test_our_own_clock_years_off_lowers_nobody(stack, tmp_path, date):
    clock = SetClock(tmp_path)
    names = ("one", "two", "three")
    for name in names:
        stack.agent(stack.node(name=name, moving=True))
    llamad = stack.llamad(env=clock.env)
    for name in names:
        llamad.wait_node(name, "online")

    def incidents() -> list[str]:
        return [i["cause"] for i in llamad.get("/api/cluster/nodes").get("incidents", [])]
    clock.move(date - int(time.time()))
    wait_until(lambda: incidents() == ["own_clock"], 15, "it is ours")
    hold(lambda: all(status_of(llamad, name) == ("online", None) for name in names), 2, "nobody is lowered")
    clock.move(0)
    wait_until(lambda: incidents() == [], 15, "it is over")
    hold(lambda: all(status_of(llamad, name) == ("online", None) for name in names), 2, "nobody is lowered")
    assert [(e["node"], e["cause"]) for e in llamad.events()] == [(None, "own_clock")]


def test_summer_time_moves_no_reading(stack):
    """The node's offset changes while it runs: an agent's zone rule, and the local times of one that is polled."""
    change = time.time() + 8
    standard = time.gmtime(change + 3600)  # UTC+1
    days = standard.tm_yday - (1 if standard.tm_year % 4 == 0 and standard.tm_yday > 60 else 0), 1 + (standard.tm_yday + 90) % 365
    zone = f"AAA-1BBB-2,J{days[0]}/{time.strftime('%H:%M:%S', standard)},J{days[1]}"
    heard, polled = (stack.node(name=name, moving=True, utc_offset_s=3600) for name in ("heard", "polled"))
    llamad = stack.llamad({"cluster": {"manual_nodes": [{"name": "polled", "url": polled.url}],
                                       "aggregation_interval": 1}})
    stack.agent(heard, env={"TZ": zone})

    def ages() -> list[float]:
        return [age_s(llamad.reading(name, "dht11:temperature")["at"]) for name in ("heard", "polled")]
    for name in ("heard", "polled"):
        llamad.wait_node(name, "online", timeout=6)
    wait_until(lambda: all(-2 < age < 10 for age in ages()), 5, "right before")
    wait_until(lambda: time.time() >= change, 15, "the hour", interval=0.01)
    heard._movement.utc_offset_s = polled._movement.utc_offset_s = 7200
    changed = time.monotonic()
    wait_until(lambda: min(node.count("readings", since=changed) for node in (heard, polled)) >= 2, 10, "noticed")
    wait_until(lambda: all(-2 < age < 10 for age in ages()), 5, "right after")
    hold(lambda: all(-2 < age < 10 for age in ages()), 3, "and it stays so")
    for name in ("heard", "polled"):
        assert status_of(llamad, name) == ("online", None)
    assert llamad.events() == []


# --- sessions ---

def test_sessions_that_alternate_are_one_state_and_one_event(stack, tmp_path):
    """Whoever spoke last, and however often: no flapping, and an end when one of them speaks alone."""
    clock = SetClock(tmp_path)
    llamad = stack.llamad(env=clock.env)
    agents = [stack.fake_agent("pi", interval_s=60, url=f"http://127.0.0.1:{free_port()}") for _ in range(2)]
    for agent in agents:
        agent.come_alive()
    agents[0].heartbeat()
    shown = llamad.wait_node("pi", "degraded", "duplicate_name")
    assert all(f"{agent.session} ({agent.url})" in shown["reason"] for agent in agents), shown["reason"]
    dice = random.Random(5)

    def beat_and_look() -> bool:
        agent = dice.choice(agents)
        agent.status()
        agent.heartbeat()
        return status_of(llamad, "pi") == ("degraded", "duplicate_name")
    hold(beat_and_look, 4, "one lasting state", 0.2)
    agents[1].status("offline")  # the will of one is not the end of the other
    hold(lambda: agents[0].heartbeat() and status_of(llamad, "pi") == ("degraded", "duplicate_name"), 1, "as before", 0.2)

    def ten_seconds_later() -> bool:
        clock.skip(10)
        now = datetime.datetime.fromtimestamp(time.time() + clock.skipped, datetime.timezone.utc)
        agents[0].heartbeat(at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"), snapshots={})
        return status_of(llamad, "pi") == ("online", None)
    wait_until(ten_seconds_later, 30, "ten minutes after the last of the other one")
    assert 590 <= clock.skipped <= 690
    assert [(e["to"], e["cause"]) for e in reversed(llamad.events(node="pi"))] == [
        ("degraded", "duplicate_name"), ("online", None)]
