"""Nodes that fall silent without an address to ask: will, lateness, stop."""

from tests.support.waiting import hold


def test_will_makes_stale_then_unreachable(stack):
    llamad = stack.llamad()
    agent = stack.agent(stack.node())
    llamad.wait_node("kitchen", "online")
    agent.kill()
    stale = llamad.wait_node("kitchen", "stale", timeout=4)
    assert stale["cause"] == "will" and stale["via"] is None or stale["via"] == "mqtt"
    lost = llamad.wait_node("kitchen", "unreachable", "no_heartbeat", timeout=8)
    assert lost["reason"]


def test_frozen_agent_is_late_without_a_will(stack):
    llamad = stack.llamad()
    agent = stack.agent(stack.node())
    llamad.wait_node("kitchen", "online")
    agent.pause()
    llamad.wait_node("kitchen", "stale", "late", timeout=5)
    agent.resume()
    llamad.wait_node("kitchen", "online")


def test_clean_stop_without_url_is_unreachable_at_once(stack):
    llamad = stack.llamad()
    agent = stack.agent(stack.node())
    llamad.wait_node("kitchen", "online")
    agent.stop()
    llamad.wait_node("kitchen", "unreachable", "stopped", timeout=3)


def test_newer_heartbeat_overrides_a_will(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive()
    llamad.wait_node("pi", "online")
    fake.status("offline")
    llamad.wait_node("pi", "stale", "will")
    fake.heartbeat()
    llamad.wait_node("pi", "online")


def test_repeated_heartbeat_is_no_life(stack):
    """A (session, seq) seen before proves nothing."""
    llamad = stack.llamad()
    fake = stack.fake_agent("pi", interval_s=1).come_alive()
    llamad.wait_node("pi", "online")
    beat = fake.heartbeat()
    for _ in range(3):
        fake.publish("health", beat)
    llamad.wait_node("pi", "stale", "late", timeout=5)
    fake.publish("health", beat)
    hold(lambda: llamad.nodes()["pi"]["status"] != "online", 1, "an old heartbeat revives nobody")
    fake.heartbeat()
    llamad.wait_node("pi", "online")


def test_retained_heartbeat_is_no_life(stack):
    fake = stack.fake_agent("pi", interval_s=1).come_alive()
    llamad = stack.llamad()
    llamad.wait_broker()
    seen = set()

    def never_online() -> bool:
        seen.add(llamad.nodes().get("pi", {}).get("status"))
        return "online" not in seen

    hold(never_online, 2, "what was retained is no sign of life")
    llamad.wait_node("pi", "unreachable", timeout=8)
    assert llamad.reading("pi", "system:cpu_temp")["value"] == 45.5, "its values are shown nevertheless"
    fake.heartbeat()
    llamad.wait_node("pi", "online")


def test_events_are_one_per_transition(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive()
    llamad.wait_node("pi", "online")
    fake.status("offline", reason="stopped")
    llamad.wait_node("pi", "unreachable", "stopped")
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    listed = llamad.events(node="pi")
    assert len({e["id"] for e in listed}) == len(listed)
    assert [(e["from"], e["to"]) for e in listed][:2] == [("unreachable", "online"), ("online", "unreachable")]
    for event in listed:
        assert {"id", "at", "node", "from", "to", "cause", "reason"} <= set(event)


def test_empty_retained_payload_deletes_that_item(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive()
    llamad.wait_node("pi", "online", counts={"readings": 1, "observations": 3, "memories": 2})
    stack.mqtt.publish("alpaca/pi/readings", b"", retain=True)
    llamad.wait_node("pi", "online", counts={"readings": 0, "observations": 3, "memories": 2})
    fake.readings({"system:cpu_temp": 1})
    llamad.wait_node("pi", counts={"readings": 1, "observations": 3, "memories": 2})
