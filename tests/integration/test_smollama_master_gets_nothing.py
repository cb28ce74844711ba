"""A Smollama master on the same broker runs its LLM for every stray message: it must get none."""

import pytest

from tests.support.recordings import edge_messages


@pytest.mark.timeout(90)
def test_nothing_of_ours_is_under_smollama(stack):
    master = stack.mqtt_client("smollama/#")
    everything = stack.mqtt_client("#")
    llamad = stack.llamad()
    node = stack.node(name="master")
    agents = [stack.agent(node, {"mem0": {"bridge_enabled": True}}, announce=True),
              stack.agent(stack.node("empty", "pi-shed"), announce=True),
              stack.agent("smollama", {"alpaca": {"source": "system"}})]
    for name in ("master", "pi-shed", "smollama"):
        llamad.wait_node(name, "online")
    topic, payload = edge_messages("edge-01")[0]
    stack.mqtt.publish(topic, payload, qos=0)
    llamad.wait_node("edge-01", "online")
    stack.mqtt.publish("alpaca/master/refresh", b"")
    agents[1].stop()
    agents[2].kill()
    node.refuse()
    llamad.wait_node("master", "degraded")
    llamad.wait_node("smollama", "stale")
    llamad.stop()
    roots = {m.topic.split("/")[0] for m in everything.messages()}
    assert "alpaca" in roots and roots <= {"alpaca", "llama", "homeassistant", "smollama"}
    assert [m.topic for m in master.messages()] == [topic], "only the edge's own message"
