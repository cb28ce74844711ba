"""The broker dies: polling covers the gap, nothing is lost, and it is one event."""

import time

import pytest

from tests.support.waiting import hold, wait_until


class Scene:
    """Two machines that announce an address, one that does not."""

    def __init__(self, stack, heartbeat=1):
        self.broker = stack.broker()
        config = {"alpaca": {"heartbeat_interval": heartbeat}}
        self.moving = stack.node(name="pi-moving", moving=True)
        self.still = stack.node("empty", "pi-still")
        self.llamad = stack.llamad()
        stack.agent(self.moving, config, announce=True)
        stack.agent(self.still, config, announce=True)
        stack.agent(stack.node("nostore", "pi-hidden"), config)
        for name in ("pi-moving", "pi-still", "pi-hidden"):
            self.llamad.wait_node(name, "online")
        wait_until(self.complete, 10, "everything arrived")

    def complete(self) -> bool:
        """All that the three have said is there."""
        stats = self.llamad.get("/api/cluster/stats")
        return len(self.llamad.said_stats()) == 3 and stats["totals"]["sources"] == 15 + 7 + 7 and self.observations() == 40

    def observations(self) -> int:
        """Those recorded; the moving node adds to them now and then."""
        return sum(o["id"] <= 40 for o in self.llamad.get("/api/cluster/observations", limit=1000)["observations"])

    def captured(self, name: str) -> str:
        return self.llamad.get("/api/cluster/readings", node=name)["nodes"][name]["captured_at"]

    def check_gap(self) -> None:
        """While the broker is away."""
        covered = self.llamad.wait_node("pi-moving", "online", "broker_down", timeout=8)
        assert covered["via"] == "http"
        self.llamad.wait_node("pi-hidden", "unknown", "broker_down", timeout=8)
        before = self.captured("pi-moving")
        wait_until(lambda: self.captured("pi-moving") > before, 8, "polled values keep coming")
        assert self.llamad.health()["status"] == "degraded"
        assert self.llamad.health()["broker"]["state"] == "disconnected"

    def check_return(self) -> None:
        """After the broker is back."""
        for name in ("pi-moving", "pi-still", "pi-hidden"):
            self.llamad.wait_node(name, "online", timeout=15, via="mqtt")
        assert self.complete(), "nothing is lost"

    def outages(self, since: int) -> list[dict]:
        return [e for e in self.llamad.events(limit=1000) if e["id"] > since]

    def newest_event(self) -> int:
        return max((e["id"] for e in self.llamad.events()), default=0)


def check_one_event(scene: Scene, since: int) -> None:
    events = scene.outages(since)
    assert [(e["node"], e["from"], e["to"]) for e in events] == [(None, "online", "unknown")], events


def test_polling_covers_the_gap_and_it_is_one_event(stack):
    scene = Scene(stack)
    since = scene.newest_event()
    scene.broker.kill()
    scene.check_gap()
    wait_until(lambda: scene.outages(since), 8, "the outage is written after five seconds")
    check_one_event(scene, since)
    scene.broker.start()
    scene.check_return()
    asked = time.monotonic()
    hold(lambda: len(scene.outages(since)) == 1, 3, "the return writes none")
    agents_own = 4 * 4 + 4  # four endpoints a second, for three seconds and a bit
    assert scene.moving.count(since=asked) <= agents_own, "polling ends when MQTT is fresh"


def test_short_outage_is_no_event(stack):
    scene = Scene(stack)
    since = scene.newest_event()
    scene.broker.kill()
    scene.llamad.wait_broker("disconnected")
    scene.broker.start()
    scene.check_return()
    hold(lambda: not scene.outages(since), 3, "a short outage writes nothing")


def test_clean_stop_of_the_broker_lowers_nobody(stack):
    """A broker that stops cleanly publishes everybody's will, and keeps it."""
    scene = Scene(stack)
    scene.broker.stop()
    since = scene.newest_event()
    scene.broker.start()
    scene.check_return()
    lowered = [e for e in scene.outages(since) if e["node"] is not None and e["to"] in ("stale", "unreachable")]
    assert not lowered


@pytest.mark.slow
@pytest.mark.timeout(100)
def test_a_minute_without_broker(stack):
    scene = Scene(stack, heartbeat=2)
    since = scene.newest_event()
    down = time.monotonic()
    scene.broker.kill()
    scene.check_gap()
    hold(lambda: scene.llamad.nodes()["pi-moving"]["status"] == "online"
         and scene.llamad.nodes()["pi-still"]["status"] == "online"
         and scene.llamad.nodes()["pi-hidden"]["status"] == "unknown", 60 - (time.monotonic() - down),
         "pollable nodes stay online, the hidden one unknown", interval=0.5)
    check_one_event(scene, since)
    scene.broker.start()
    scene.check_return()
    check_one_event(scene, since)
