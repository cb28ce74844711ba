"""Time zones, wrong clocks, and whose clock it is."""

import datetime
import re
import time

import pytest

from tests.support.processes import faketime, why_no_faketime
from tests.support.smollama_node import SmollamaNode
from tests.support.waiting import hold, wait_until

HOUR = 3600
needs_faketime = pytest.mark.skipif(why_no_faketime() is not None, reason=why_no_faketime() or "")


def age_s(stamp: str) -> float:
    """How long ago that was, by our clock."""
    return time.time() - datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def manual(*nodes: SmollamaNode) -> dict:
    return {"cluster": {"manual_nodes": [{"name": node.name, "url": node.url} for node in nodes]}}


# --- zones ---

@pytest.mark.parametrize("offset_s", [19800, -12600, 45900, 0])
def test_polled_node_in_another_zone_is_shown_right(stack, offset_s):
    """By the Date header, in steps of 15 minutes: Kolkata, St. John's, the Chathams."""
    node = stack.node(name="abroad", moving=True, utc_offset_s=offset_s)
    llamad = stack.llamad(manual(node))
    llamad.wait_node("abroad", "online")
    reading = wait_until(lambda: llamad.reading("abroad", "dht11:temperature"), 5, "a reading")
    assert -2 < age_s(reading["at"]) < 15, reading
    assert abs(llamad.nodes()["abroad"]["clock_skew_s"]) < 3


@pytest.mark.parametrize("zone, offset_s", [("AAA-5:30", 19800), ("AAA+3:30", -12600)])
def test_agent_in_another_zone_is_shown_right(stack, zone, offset_s):
    node = stack.node(name="abroad", moving=True, utc_offset_s=offset_s)
    llamad = stack.llamad()
    stack.agent(node, env={"TZ": zone})
    llamad.wait_node("abroad", "online")
    reading = wait_until(lambda: llamad.reading("abroad", "dht11:temperature"), 5, "a reading")
    assert -2 < age_s(reading["at"]) < 15, reading
    hold(lambda: llamad.nodes()["abroad"]["status"] == "online", 1, "a zone is no wrong clock")


def test_hours_are_those_of_our_clock(stack):
    """Whatever the zones, a fresh observation is within the last hours, and an old one is not."""
    llamad = stack.llamad()
    now = datetime.datetime.now(datetime.timezone.utc)
    for name, offset_s in (("east", 12 * HOUR), ("west", -11 * HOUR)):
        local = (now + datetime.timedelta(seconds=offset_s)).replace(tzinfo=None)
        stamps = [local - datetime.timedelta(hours=hours) for hours in (0.1, 1.9, 5)]
        items = ",".join(f'{{"id":{i},"timestamp":"{t.isoformat()}","text":"x"}}' for i, t in enumerate(stamps))
        fake = stack.fake_agent(name).come_alive()
        fake.report("observations", f'{{"observations":[{items}]}}'.encode(), utc_offset_s=offset_s)

    def found(hours: float) -> list:
        listed = llamad.get("/api/cluster/observations", hours=hours)["observations"]
        return sorted((o["node"], o["id"]) for o in listed)
    wait_until(lambda: len(found(0)) == 6, 5, "all came")
    assert found(1) == [("east", 0), ("west", 0)]
    assert found(2) == [("east", 0), ("east", 1), ("west", 0), ("west", 1)]
    assert len(found(6)) == 6


# --- wrong clocks ---

@needs_faketime
@pytest.mark.parametrize("shift, seconds, words", [("-1h", -HOUR, "(59|60) min behind"),
                                                   ("+2h", 2 * HOUR, "(119 min|2 h) ahead")])
def test_an_agent_with_a_wrong_clock_is_degraded(stack, shift, seconds, words):
    llamad = stack.llamad()
    stack.agent(stack.node(name="right", moving=True))
    stack.agent(stack.node(name="wrong", moving=True, clock_shift_s=seconds), env=faketime(shift))
    shown = llamad.wait_node("wrong", "degraded", "clock_skew")
    assert re.search(words, shown["reason"]), shown["reason"]
    assert abs(shown["clock_skew_s"] - seconds) < 5
    confirmed = wait_until(lambda: llamad.nodes()["wrong"]["confirmed_at"], 5, "readings")
    assert -2 < age_s(confirmed) < 10, "ages are by our clock"
    assert llamad.nodes()["right"]["status"] == "online"
    assert llamad.get("/api/cluster/nodes").get("incidents", []) == []


def test_a_clock_set_right_is_right_again(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi", interval_s=1).come_alive()

    def beat(shift_s: float) -> None:
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=shift_s)
        fake.heartbeat(at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))

    def until(status: str, shift_s: float) -> None:
        def check() -> bool:
            beat(shift_s)
            time.sleep(0.6)
            return llamad.nodes()["pi"]["status"] == status
        wait_until(check, 15, f"{status} with a clock off by {shift_s} s")
    until("online", 0)
    until("degraded", 40)
    until("online", 0)
    until("degraded", -40)
    until("online", 25)
    assert [e["cause"] for e in llamad.events(node="pi")] == [None, "clock_skew", None, "clock_skew"]


def test_delayed_heartbeats_are_no_wrong_clock(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi", interval_s=1).come_alive()
    for shift_s in (0, -45, 0, -33, -80, 0, -41):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=shift_s)
        fake.heartbeat(at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
        hold(lambda: llamad.nodes()["pi"]["status"] == "online", 0.7, "one late message is the network's")


def test_a_retained_heartbeat_tells_no_clock(stack):
    fake = stack.fake_agent("pi", interval_s=HOUR)
    fake.heartbeat(at="2020-01-01T00:00:00.000Z")
    llamad = stack.llamad()
    wait_until(lambda: "pi" in llamad.nodes(), 5, "the node is known")
    hold(lambda: llamad.nodes()["pi"]["clock_skew_s"] is None, 2, "an old message is no wrong clock")


# --- our own ---

@needs_faketime
def test_our_own_wrong_clock_is_one_incident(stack):
    names = ("one", "two", "three")
    for name in names:
        stack.agent(stack.node(name=name, moving=True))
    llamad = stack.llamad(env=faketime("-1h"))
    live = stack.live(llamad)

    def incidents() -> list[dict]:
        return llamad.get("/api/cluster/nodes").get("incidents", [])
    found = wait_until(incidents, 10, "the incident")
    assert [i["cause"] for i in found] == ["own_clock"]
    assert "3 of 3 nodes' clocks are" in found[0]["reason"] and "ahead" in found[0]["reason"]
    hold(lambda: all(n["status"] == "online" for n in llamad.nodes().values()), 3, "no node is degraded")
    assert [(e["node"], e["cause"]) for e in llamad.events()] == [(None, "own_clock")]
    live.wait_frame(lambda f: any(i["cause"] == "own_clock" for i in f["incidents"]), what="it is pushed")
