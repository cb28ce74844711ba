"""Smollama's edge nodes, heard on their own topic or through their master."""

import json

import pytest

from tests.support.recordings import dump, edge_messages
from tests.support.waiting import wait_until


def send(stack, name, index=-1):
    topic, payload = edge_messages(name)[index]
    stack.mqtt.publish(topic, payload, qos=0)
    return payload


def values(llamad, name):
    return {r["full_id"]: r["value"] for r in llamad.readings(node=name)}


def item(full_id, value, **fields):
    return {"full_id": full_id, "value": value, "unit": None, "timestamp": "2026-11-23T07:51:14.236778+00:00",
            "metadata": None, **fields}


def report(fake, *items):
    fake.report("readings", dump({"timestamp": "2026-11-23T07:51:14", "readings": list(items)}))


def test_edge_node_is_shown_with_its_readings(stack):
    llamad = stack.llamad()
    recorded = json.loads(send(stack, "edge-01"))
    node = llamad.wait_node("edge-01", "online", via="edge")
    assert node["type"] == "edge" and node["url"] is None
    assert values(llamad, "edge-01") == {r["source"]: r["value"] for r in recorded["readings"]}
    first = llamad.reading("edge-01", "system:cpu_temp")
    assert list(first) == ["node", "at", "full_id", "value", "unit", "timestamp", "metadata"]
    assert first["metadata"] is None and first["at"] == "2026-11-23T07:51:18.244Z"


def test_nan_and_infinity_cost_only_their_value(stack):
    llamad = stack.llamad()
    send(stack, "edge-nan")
    llamad.wait_node("edge-nan", "online")
    shown = values(llamad, "edge-nan")
    assert len(shown) == 16
    assert [shown[f"jetson_inference:{name}"] for name in ("t_nan", "t_inf", "t_ninf")] == [None, None, None]
    assert shown["jetson_inference:object_count"] == 3


def test_all_types_survive_with_their_digits(stack):
    llamad = stack.llamad()
    payload = send(stack, "edge-types")
    llamad.wait_node("edge-types", "online")
    expected = {r["source"]: r["value"] for r in json.loads(payload)["readings"]}
    assert values(llamad, "edge-types") == expected, "the last of two equal ids counts"
    text = llamad.http.get("/api/cluster/readings", node="edge-types").body
    for digits in (b"9007199254740993", b"123456789012345678901234567890", b"-0.0", b"5e-324", b"1.5e+300"):
        assert b'"value":' + digits + b"," in text
    units = {r["full_id"]: r["unit"] for r in llamad.readings(node="edge-types")}
    assert units["jetson_inference:t_str_html"] == "<b>" and units["jetson_inference:t_str_uni"] == "\u00b0C"


def test_topic_names_the_node_whatever_the_payload_says(stack):
    llamad = stack.llamad()
    _topic, payload = edge_messages("edge-01")[0]
    stack.mqtt.publish("smollama/copied/readings", payload, qos=0)
    llamad.wait_node("copied", "online")
    assert set(llamad.nodes()) == {"copied"}


def test_fields_of_an_item_are_optional(stack):
    llamad = stack.llamad()
    stack.mqtt.publish("smollama/bare/readings",
                       b'{"readings": [{"value": 1}, {"source": "a:b"}, {"source": "c:d", "ts": "x"}]}')
    llamad.wait_node("bare", "online")
    shown = {r["full_id"]: r for r in llamad.readings(node="bare")}
    assert shown["unknown"]["value"] == 1 and shown["a:b"]["value"] is None and shown["a:b"]["unit"] is None
    assert set(shown) == {"unknown", "a:b", "c:d"}
    assert shown["c:d"]["at"] is not None, "a bad ts means now"


@pytest.mark.parametrize("payload, reason", [
    (b"{nope", "not_json"), (b'{"readings":["\xff"]}', "not_utf8"), (b'{"readings":{}}', "bad_type"),
    (b"[]", "bad_type"),
    (b'{"readings":' + b"[" * 500 + b"]" * 500 + b"}", "too_deep"),
])
def test_bad_edge_payload_is_counted_and_costs_nothing(stack, payload, reason):
    llamad = stack.llamad()
    send(stack, "edge-01")
    llamad.wait_node("edge-01", "online")
    before = values(llamad, "edge-01")
    stack.mqtt.publish("smollama/edge-01/readings", payload)
    wait_until(lambda: llamad.node("edge-01")["rejects"].get(reason) == 1, 5, f"{reason} counted")
    assert values(llamad, "edge-01") == before
    llamad.wait_log("smollama/edge-01/readings")


def reexport(name="edge-01"):
    return [item(f"{name}:system:cpu_temp", 33.5, metadata={"node": name}),
            item(f"{name}:dht11:humidity", 40, metadata={"node": name})]


def test_reexported_readings_belong_to_their_node(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("master", kind="llama")
    fake.status()
    fake.heartbeat()
    report(fake, item("system:cpu_temp", 50.5), *reexport())
    wait_until(lambda: values(llamad, "edge-01") == {"system:cpu_temp": 33.5, "dht11:humidity": 40}, 5, "attributed")
    assert values(llamad, "master") == {"system:cpu_temp": 50.5}
    counts = {name: node["counts"]["readings"] for name, node in llamad.nodes().items()}
    assert counts == {"master": 1, "edge-01": 2}
    assert llamad.get("/api/cluster/stats")["totals"]["sources"] == 3
    assert llamad.nodes()["edge-01"]["type"] == "edge"


@pytest.mark.parametrize("first", ["master", "edge"])
def test_reexported_readings_are_not_counted_twice(stack, first):
    llamad = stack.llamad()
    fake = stack.fake_agent("master", kind="llama")
    fake.status()
    fake.heartbeat()
    if first == "edge":
        send(stack, "edge-01")
        llamad.wait_node("edge-01", "online")
    report(fake, item("system:cpu_temp", 50.5), *reexport())
    wait_until(lambda: len(llamad.readings(node="master")) == 1, 5, "the master's report is in")
    if first == "master":
        send(stack, "edge-01")
        llamad.wait_node("edge-01", "online", via="edge")
    wait_until(lambda: values(llamad, "edge-01")["system:cpu_temp"] == 0.0, 5, "what is heard directly stands")
    ids = [r["full_id"] for r in llamad.readings(node="edge-01")]
    assert len(ids) == len(set(ids))
    assert llamad.get("/api/cluster/stats")["totals"]["sources"] == 1 + len(ids)


def test_metadata_of_another_kind_is_no_reexport(stack):
    """A prefix without metadata.node is part of the id."""
    llamad = stack.llamad()
    fake = stack.fake_agent("pi")
    fake.status()
    fake.heartbeat()
    report(fake, item("edge-01:system:cpu_temp", 1), item("a:b", 2, metadata={"node": "edge-01"}))
    wait_until(lambda: values(llamad, "pi") == {"edge-01:system:cpu_temp": 1, "a:b": 2}, 5, "both are the node's own")
    assert set(llamad.nodes()) == {"pi"}


def test_edge_message_never_overrides_an_agent(stack):
    llamad = stack.llamad()
    stack.fake_agent("edge-01").come_alive({"system:cpu_temp": 50.5})
    llamad.wait_node("edge-01", "online", via="mqtt")
    send(stack, "edge-01")
    stack.fake_agent("marker").come_alive()
    llamad.wait_node("marker", "online")
    assert values(llamad, "edge-01")["system:cpu_temp"] == 50.5
    assert llamad.nodes()["edge-01"]["type"] == "alpaca" and llamad.nodes()["edge-01"]["via"] == "mqtt"
