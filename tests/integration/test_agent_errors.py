"""Smollama in trouble: named in the heartbeat, never a reason to fall silent."""

import time

import pytest

from tests.support.processes import free_port
from tests.support.recordings import dump
from tests.support.shapes import body_bytes
from tests.support.smollama_node import respond_body
from tests.support.waiting import hold, stretched, wait_until

KINDS = ("readings", "observations", "memories", "stats")


def error_of(message, kind):
    return message.json["snapshots"].get(kind, {}).get("error")


FAILURES = {
    "error500": {"http_500"}, "redirect": {"http_307"}, "garbage": {"bad_body"}, "html": {"bad_body"},
    "truncated": {"bad_body"}, "mid_header": {"bad_body"}, "close": {"bad_body", "refused"},
    "reset": {"bad_body", "refused"}, "endless": {"too_large"}, "announced_huge": {"too_large"}, "hang": {"timeout"},
    "drip": {"timeout"}, "off": {"off"},
}


@pytest.fixture(scope="module")
def failing(module_stack):
    """One node per failure, all at once: their memories fail from now on, each in its own way."""
    nodes = {behaviour: module_stack.node(name=behaviour) for behaviour in FAILURES}
    reader = module_stack.mqtt_client("alpaca/#")
    for node in nodes.values():
        module_stack.agent(node)
    good = {name: reader.wait_for(f"alpaca/{name}/memories").json for name in nodes}
    for name, node in nodes.items():
        node.behave("memories", name)
    return module_stack, reader, nodes, good


@pytest.mark.parametrize("name", FAILURES)
def test_one_failing_endpoint_is_named_and_the_rest_goes_on(failing, name):
    stack, reader, nodes, good = failing
    node, health = nodes[name], f"alpaca/{name}/health"
    beat = reader.wait_for(health, lambda m: error_of(m, "memories") is not None, 20)
    assert error_of(beat, "memories") in FAILURES[name]
    assert all(error_of(beat, kind) is None for kind in KINDS if kind != "memories")
    reader.wait_count(health, 2, since=beat.at + 0.001)
    asked = node.count("stats")
    wait_until(lambda: node.count("stats") > asked, 15, "the other endpoints are still asked")
    assert len(reader.messages(f"alpaca/{name}/memories")) == 1, "the last good report stands"
    assert stack.mqtt_client(f"alpaca/{name}/memories").wait_for(f"alpaca/{name}/memories").json == good[name]


def test_failing_endpoints_recover(failing):
    _stack, reader, nodes, _good = failing
    for node in nodes.values():
        node.behave("memories", "ok")
    since = time.monotonic()
    for name in nodes:
        reader.wait_for(f"alpaca/{name}/health", lambda m: error_of(m, "memories") is None, 20, since=since)


@pytest.mark.parametrize("kind, body", [
    ("readings", b'{"timestamp":"2026-11-23T07:56:41","readings":{}}'),
    ("readings", b'{"timestamp":"2026-11-23T07:56:41"}'),
    ("readings", b"[]"),
    ("readings", b""),
    ("readings", b'{"readings":[]} trailing'),
    ("readings", b'{"readings":["\xff"]}'),
    ("observations", b'{"observations":null}'),
    ("memories", b'{"memories":7}'),
    ("stats", b'{"timestamp":"2026-11-23T07:56:41"}'),
    ("stats", b'{"node_name":5}'),
])
def test_answer_without_the_expected_content_is_bad_body(stack, kind, body):
    node = stack.node()
    node.behave(kind, respond_body(body))
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    reader.wait_for("alpaca/kitchen/health", lambda m: error_of(m, kind) == "bad_body")
    assert not reader.messages(f"alpaca/kitchen/{kind}")


def test_storeless_node_is_not_in_error(stack):
    node = stack.node("nostore")
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    beat = reader.wait_for("alpaca/nostore/health", lambda m: m.json["seq"] >= 4).json
    assert [beat["snapshots"][kind]["error"] for kind in KINDS] == [None, "off", "off", None]
    assert beat["source"]["ok"] is True and beat["source"]["error"] is None
    assert body_bytes(reader.wait_for("alpaca/nostore/readings").payload) == node.body("readings")
    assert not reader.messages("alpaca/nostore/observations") + reader.messages("alpaca/nostore/memories")


def test_node_without_readings_is_not_in_error(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node("noreadings"))
    beat = reader.wait_for("alpaca/noreadings/health", lambda m: m.json["seq"] >= 3).json
    assert beat["snapshots"]["readings"]["error"] == "off" and beat["source"]["ok"] is True


def test_nan_in_a_sensor_costs_only_the_readings(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node("nan"))
    reader.wait_for("alpaca/nan/health", lambda m: error_of(m, "readings") == "http_500")
    reader.wait_for("alpaca/nan/stats")
    reader.wait_for("alpaca/nan/observations")


def test_dead_smollama_is_refused(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent("lonely", {"alpaca": {"url": f"http://127.0.0.1:{free_port()}"}})
    beat = reader.wait_for("alpaca/lonely/health", lambda m: m.json["source"]["ok"] is False).json
    assert beat["source"]["error"] == "refused" and beat["source"]["node_name"] is None
    assert {beat["snapshots"][kind]["error"] for kind in KINDS} == {"refused"}


def test_unknown_host_is_dns(stack):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent("lost", {"alpaca": {"url": "http://no-such-host.invalid:8080"}})
    reader.wait_for("alpaca/lost/health", lambda m: m.json["source"]["error"] == "dns", 20)


def test_heartbeats_go_on_while_smollama_hangs(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    reader.wait_count("alpaca/kitchen/health", 2)
    node.behave("*", "hang")
    since = time.monotonic()
    beats = reader.wait_count("alpaca/kitchen/health", 5, since=since)
    gaps = [b.at - a.at for a, b in zip(beats, beats[1:])]
    assert max(gaps) < 1.0 + stretched(0.5), gaps
    assert all(node.count(kind, since) <= 2 for kind in KINDS), "requests are not stacked"
    gone = reader.wait_for("alpaca/kitchen/health", lambda m: m.json["source"]["ok"] is False, 25).json
    assert gone["source"]["error"] == "timeout"
    node.stop()
    node.behave("*", "ok")
    node.start()
    reader.wait_for("alpaca/kitchen/health", lambda m: m.json["source"]["ok"] is True, 15, since=time.monotonic())


def test_source_fails_only_after_two_failures_in_a_row(stack):
    node = stack.node()
    rarely = {"alpaca": {"readings_interval": 3, **{f"{kind}_interval": 600 for kind in KINDS[1:]}}}
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, rarely)
    for kind in KINDS:
        reader.wait_for(f"alpaca/kitchen/{kind}")
    node.behave("readings", "error500")
    since = time.monotonic()
    once = reader.wait_for("alpaca/kitchen/health", lambda m: error_of(m, "readings") == "http_500", since=since)
    assert node.count("readings", since) == 1 and once.json["source"]["ok"] is True
    twice = reader.wait_for("alpaca/kitchen/health", lambda m: m.json["source"]["ok"] is False, since=since)
    assert node.count("readings", since) == 2
    assert twice.json["source"]["error"] == "http_500"
    node.behave("readings", "ok")
    reader.wait_for("alpaca/kitchen/health", lambda m: m.json["source"]["ok"] is True, since=twice.at + 0.01)


def test_a_usable_answer_between_failures_keeps_the_source_ok(stack):
    node = stack.node()
    node.behave("observations", "error500")
    node.behave("memories", "error500")
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    reader.wait_for("alpaca/kitchen/health", lambda m: error_of(m, "memories") == "http_500")
    since = time.monotonic()
    beats = reader.wait_count("alpaca/kitchen/health", 4, since=since)
    assert all(m.json["source"]["ok"] for m in beats)


def test_source_name_is_what_stats_answered_last(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, node_name="configured")
    reader.wait_for("alpaca/configured/health", lambda m: m.json["source"]["node_name"] == "kitchen")
    node.behave("stats", respond_body(dump({"node_name": "renamed", "timestamp": "2026-11-23T07:56:42"})))
    reader.wait_for("alpaca/configured/health", lambda m: m.json["source"]["node_name"] == "renamed")


def test_restarted_smollama_is_found_again(stack):
    node = stack.node()
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node)
    reader.wait_for("alpaca/kitchen/readings")
    node.refuse()
    gone = reader.wait_for("alpaca/kitchen/health", lambda m: m.json["source"]["ok"] is False)
    since = gone.json["source"]["since"]
    hold(lambda: reader.messages("alpaca/kitchen/health")[-1].json["source"]["since"] == since, 1.5,
         "since stands still")
    node.start()
    back = reader.wait_for("alpaca/kitchen/health", lambda m: m.json["source"]["ok"] is True, since=time.monotonic())
    assert back.json["source"]["since"] > since
