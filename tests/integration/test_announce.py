"""What llamad itself says over MQTT: each event once, on llama/events."""

import pytest

from tests.support.gatekeeper import CLOSE, PASS
from tests.support.waiting import hold, wait_until

TOPIC = "llama/events"


@pytest.fixture
def fake(stack):
    """An agent; it is online once llamad runs and it has sent a heartbeat."""
    return stack.fake_agent("pi \"b\" ü", interval_s=3600)


def come_alive(llamad, fake):
    fake.heartbeat()
    llamad.wait_node(fake.node, "online")


def change(llamad, fake):
    """Two events: its Smollama is gone, and back."""
    fake.heartbeat(source={"kind": "smollama", "ok": False, "error": "refused"})
    llamad.wait_node(fake.node, "degraded", "smollama_down")
    fake.heartbeat()
    llamad.wait_node(fake.node, "online")


def told(client):
    return [message.json for message in client.messages(TOPIC)]


def through(stack, keeper, **cluster):
    """llamad at the broker behind the gatekeeper."""
    llamad = stack.llamad({"mqtt": {"broker": "127.0.0.1", "port": keeper.port}, "cluster": cluster})
    llamad.wait_broker()
    return llamad


def test_each_event_is_published_once_as_the_api_gives_it(stack, fake):
    listener = stack.mqtt_client("llama/#")
    llamad = stack.llamad()
    come_alive(llamad, fake)
    change(llamad, fake)
    messages = listener.wait_count(TOPIC, 2)
    assert [m.json for m in messages] == llamad.events()[::-1]
    assert list(messages[0].json) == ["id", "at", "node", "from", "to", "cause", "reason"]
    assert messages[0].json["node"] == fake.node and messages[0].json["cause"] == "smollama_down"
    assert [(m.qos, m.retain) for m in messages] == [(1, False)] * 2
    hold(lambda: len(told(listener)) == 2, 1, "and only once")
    published = llamad.health()["published"]
    assert (published["events"], published["left_out"]) == (2, 0)
    assert stack.mqtt_client(TOPIC).messages() == [], "nothing is retained"


def test_outage_is_published_after_the_reconnect(stack, fake):
    listener = stack.mqtt_client(TOPIC)
    gate = {"open": True}
    keeper = stack.gatekeeper(lambda _connect, _number: PASS if gate["open"] else CLOSE)
    llamad = through(stack, keeper)
    come_alive(llamad, fake)
    gate["open"] = False
    keeper.cut()
    [outage] = wait_until(llamad.events, 10, "the outage is an event after five seconds")
    assert told(listener) == []
    gate["open"] = True
    listener.wait_count(TOPIC, 1)
    assert told(listener) == [outage]
    assert (outage["node"], outage["from"], outage["to"]) == (None, "online", "unknown")
    llamad.wait_node(fake.node, "online")
    hold(lambda: told(listener) == llamad.events() == [outage], 1, "the return is none")


def test_events_of_an_outage_come_in_their_order(stack):
    """Nodes that are polled go on having events while the broker is away."""
    node = stack.node()
    listener = stack.mqtt_client(TOPIC)
    gate = {"open": True}
    keeper = stack.gatekeeper(lambda _connect, _number: PASS if gate["open"] else CLOSE)
    llamad = through(stack, keeper, aggregation_interval=1, manual_nodes=[{"name": node.name, "url": node.url}])
    llamad.wait_node(node.name, "online")
    gate["open"] = False
    keeper.cut()
    for behaviour, state in (("error500", "degraded"), ("ok", "online"), ("error500", "degraded")):
        node.behave("*", behaviour)
        wait_until(lambda: llamad.events(node=node.name, limit=1)[0]["to"] == state, 10, f"{node.name} is {state}")
    wait_until(lambda: any(e["node"] is None for e in llamad.events()), 10, "the outage is an event")
    assert told(listener) == []
    gate["open"] = True
    expected = llamad.events()[::-1]
    listener.wait_count(TOPIC, len(expected))
    assert told(listener)[:len(expected)] == expected and len(expected) >= 4


def test_event_under_way_when_the_broker_dies_is_not_lost(stack):
    """The broker has taken it from the socket, or not even that, and has acknowledged nothing."""
    node = stack.node()
    broker = stack.broker()
    gate = {"open": True}
    keeper = stack.gatekeeper(lambda _connect, _number: PASS if gate["open"] else CLOSE)
    llamad = through(stack, keeper, aggregation_interval=1, manual_nodes=[{"name": node.name, "url": node.url}])
    llamad.wait_node(node.name, "online")
    broker.pause()
    node.behave("*", "error500")
    [event] = wait_until(llamad.events, 10, "an event")
    wait_until(lambda: any(TOPIC.encode() in packet for packet in keeper.packets(3)), 5, "it is on its way")
    gate["open"] = False
    broker.kill()
    keeper.cut()
    broker.start()
    listener = stack.mqtt_client(TOPIC)
    gate["open"] = True
    listener.wait_count(TOPIC, 1)
    assert event in told(listener)


def test_replica_publishes_nothing(stack, fake):
    """It sees what the llamad sees that does."""
    listener = stack.mqtt_client("llama/#", "homeassistant/#")
    speaker = stack.llamad()
    replica = stack.llamad({"cluster": {"publish": False}}, name="replica")
    come_alive(speaker, fake)
    replica.wait_node(fake.node, "online")
    for llamad in (speaker, replica):
        change(llamad, fake)
    wait_until(lambda: len(speaker.events()) == len(replica.events()) == 4, 5, "both have seen all")
    listener.wait_count(TOPIC, 4)
    assert replica.health()["published"] is None
    assert told(listener) == speaker.events()[::-1]
    speaker.stop()
    before = listener.wait_for("llama/status", lambda m: m.payload == b"offline").at
    change(replica, fake)
    hold(lambda: not listener.messages(since=before)[1:], 1, "nothing of the replica's")


def test_events_of_an_earlier_run_are_not_told_again(stack, fake):
    listener = stack.mqtt_client(TOPIC)
    llamad = stack.llamad()
    come_alive(llamad, fake)
    change(llamad, fake)
    listener.wait_count(TOPIC, 2)
    llamad.stop()
    llamad.start()
    llamad.wait_broker()
    come_alive(llamad, fake)
    change(llamad, fake)
    listener.wait_count(TOPIC, 4)
    assert [e["id"] for e in told(listener)] == [1, 2, 3, 4]


def test_burst_of_events_comes_whole_and_in_order(stack):
    listener = stack.mqtt_client(TOPIC)
    llamad = stack.llamad()
    fakes = [stack.fake_agent(f"pi-{i:03}", interval_s=3600) for i in range(300)]
    for fake in fakes:
        fake.heartbeat()
    wait_until(lambda: len(llamad.nodes()) == 300, 10, "all are there")
    for fake in fakes:
        fake.heartbeat(source={"kind": "smollama", "ok": False, "error": "refused"})
    listener.wait_count(TOPIC, 300, timeout=20)
    assert [e["id"] for e in told(listener)] == list(range(1, 301))
    assert told(listener) == llamad.events(limit=1000)[::-1]
