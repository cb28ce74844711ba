"""Nodes that llamad asks itself: manual ones, and announced ones that fell silent."""

import json
import threading
import time

import pytest

from tests.support.many_nodes import ManyNodes
from tests.support.processes import free_port
from tests.support.recordings import dump
from tests.support.smollama_node import respond_body
from tests.support.waiting import hold, stretched, wait_until

ORDER = ["stats", "readings", "observations", "memories"]


def manual(*nodes, **cluster):
    listed = [{"name": name, "url": url} for name, url in nodes]
    return {"cluster": {"manual_nodes": listed, **cluster}}


def values(llamad, name):
    return {r["full_id"]: r["value"] for r in llamad.readings(node=name)}


def recorded_values(node):
    return {r["full_id"]: r["value"] for r in json.loads(node.body("readings"))["readings"]}


def test_manual_node_is_shown(stack):
    node = stack.node()
    llamad = stack.llamad(manual(("kitchen", node.url)))
    shown = llamad.wait_node("kitchen", "online")
    assert (shown["via"], shown["url"]) == ("http", node.url)
    assert "manual" in shown["discovered_by"] and shown["latency_ms"] >= 0
    wait_until(lambda: values(llamad, "kitchen") == recorded_values(node), 3, "readings")
    observations = llamad.get("/api/cluster/observations", limit=1000)["observations"]
    assert len(observations) == 40
    assert observations[0]["at"] == "2026-11-23T07:56:35.390Z", "offset from body and Date header"
    assert llamad.said_stats() == {"kitchen": json.loads(node.body("stats"))}
    assert node.count("health") == 0


def test_one_round_uses_one_connection_in_order(stack):
    node = stack.node()
    stack.llamad(manual(("kitchen", node.url), aggregation_interval=60))
    wait_until(lambda: node.count() >= 4, 5, "a whole round")
    assert [r.endpoint for r in node.requests] == ORDER
    assert node.connections == 1


def test_storeless_node_is_online(stack):
    node = stack.node("nostore")
    llamad = stack.llamad(manual(("nostore", node.url)))
    shown = llamad.wait_node("nostore", "online", counts={"readings": 7, "observations": None, "memories": None})
    assert shown["counts"]["readings"] == 7


@pytest.mark.parametrize("behaviour", ["error500", "garbage", "html", "redirect"])
def test_answers_without_use_are_degraded(stack, behaviour):
    """Any HTTP answer proves the host alive."""
    node = stack.node()
    node.behave("*", behaviour)
    llamad = stack.llamad(manual(("kitchen", node.url)))
    shown = llamad.wait_node("kitchen", "degraded", "smollama_error")
    assert shown["last_seen"] is not None and shown["reason"]
    assert all(r.endpoint for r in node.requests), "redirects are not followed"


def test_refusing_node_was_never_seen(stack):
    llamad = stack.llamad(manual(("ghost", f"http://127.0.0.1:{free_port()}")))
    shown = llamad.wait_node("ghost", "unreachable", "never_seen")
    assert "refused" in shown["reason"].lower() and shown["last_seen"] is None


def test_hanging_node_is_stale_then_unreachable(stack):
    node = stack.node()
    llamad = stack.llamad(manual(("kitchen", node.url), request_timeout=1))
    llamad.wait_node("kitchen", "online")
    node.behave("*", "hang")
    llamad.wait_node("kitchen", "stale", timeout=8)
    lost = llamad.wait_node("kitchen", "unreachable", "no_answer", timeout=10)
    assert "time" in lost["reason"].lower()
    assert values(llamad, "kitchen") == recorded_values(node)
    node.behave("*", "ok")
    llamad.wait_node("kitchen", "online")


def test_node_that_goes_away_and_returns(stack):
    node = stack.node()
    llamad = stack.llamad(manual(("kitchen", node.url)))
    llamad.wait_node("kitchen", "online")
    node.refuse()
    llamad.wait_node("kitchen", "unreachable", "no_answer")
    assert values(llamad, "kitchen") == recorded_values(node)
    node.start()
    llamad.wait_node("kitchen", "online")


@pytest.mark.parametrize("behaviour, reason", [
    ("garbage", "bad_body"), ("html", "bad_body"), ("truncated", "truncated"), ("endless", "too_large"),
    ("announced_huge", "too_large"), ("redirect", "http_redirect"),
])
def test_bad_readings_are_counted_and_the_last_good_ones_stay(stack, behaviour, reason):
    node, other = stack.node(), stack.node("empty")
    llamad = stack.llamad(manual(("kitchen", node.url), ("empty", other.url)))
    llamad.wait_node("kitchen", "online")
    llamad.wait_node("empty", "online")
    wait_until(lambda: values(llamad, "kitchen") == recorded_values(node), 5, "good readings")
    node.behave("readings", behaviour)
    wait_until(lambda: llamad.node("kitchen")["rejects"].get(reason, 0) >= 1, 10, f"{reason} counted on the node")
    assert llamad.reject_count(reason) >= 1
    assert values(llamad, "kitchen") == recorded_values(node)
    assert llamad.nodes()["kitchen"]["status"] in ("online", "degraded"), "it does answer"
    assert llamad.nodes()["empty"]["status"] == "online"
    assert "kitchen" in llamad.wait_log("readings")
    assert all(r.endpoint for r in node.requests), "redirects are not followed"


@pytest.mark.parametrize("behaviour", ["hang", "drip", "mid_header", "close", "reset"])
def test_what_arrived_before_the_trouble_counts(stack, behaviour):
    node = stack.node()
    node.behave("observations", behaviour)
    llamad = stack.llamad(manual(("kitchen", node.url), request_timeout=1))
    wait_until(lambda: values(llamad, "kitchen") == recorded_values(node), 6, "stats and readings count")
    assert llamad.said_stats()["kitchen"]["observations_count"] == 40
    wait_until(lambda: llamad.nodes()["kitchen"]["status"] in ("online", "degraded"), 5, "it does answer")


def test_hanging_nodes_delay_nobody(stack):
    hanging = [stack.node(name=f"hang-{i}") for i in range(20)]
    for node in hanging:
        node.behave("*", "hang")
    good = stack.node()
    listed = [(node.name, node.url) for node in hanging] + [("kitchen", good.url)]
    llamad = stack.llamad(manual(*listed, request_timeout=5, aggregation_interval=10))
    llamad.wait_node("kitchen", "online", timeout=3)
    assert llamad.http.get("/api/cluster/readings").status == 200


def test_an_answer_from_too_long_ago_is_no_proof(stack):
    """So many answer stats alone, and then hang, that a round takes longer than 2.5 intervals: nobody is online by an old
    answer meanwhile."""
    good = stack.node()
    with ManyNodes({f"slow-{i:03}": "hang" for i in range(300)}) as slow:
        slow.searching = True
        listed = [(name, node.url) for name, node in slow.nodes.items()] + [("kitchen", good.url)]
        llamad = stack.llamad(manual(*listed, request_timeout=2, aggregation_interval=1))
        llamad.wait_node("kitchen", "online", timeout=20)
        shown = llamad.wait_node("kitchen", "stale", "late", timeout=20)
        assert shown["via"] is None and "not asked since" in shown["reason"]
        assert values(llamad, "kitchen") == recorded_values(good), "the last values stay"
        llamad.wait_node("kitchen", "online", timeout=20)


def test_each_node_is_asked_once_per_interval_however_many_ask_llamad(stack):
    node = stack.node()
    llamad = stack.llamad(manual(("kitchen", node.url), aggregation_interval=3))
    llamad.wait_node("kitchen", "online")
    stop = threading.Event()
    asked = [0]

    def hammer() -> None:
        while not stop.is_set():
            assert llamad.http.get("/api/cluster/readings").status == 200
            assert llamad.http.request("POST", "/api/cluster/nodes/kitchen/refresh").status == 202
            asked[0] += 1

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    hold(lambda: True, 9, "asking")
    stop.set()
    for thread in threads:
        thread.join()
    assert asked[0] > 50
    for endpoint in ORDER:
        times = node.times(endpoint, start)
        assert 2 <= len(times) <= 4, (endpoint, len(times))
        assert all(b - a > 1.5 for a, b in zip(times, times[1:])), times


# --- announced URLs ---

@pytest.mark.parametrize("end", ["late", "will"])
def test_silent_node_is_polled_within_two_seconds(stack, end):
    node = stack.node(name="pi")
    llamad = stack.llamad({"cluster": {"aggregation_interval": 60}})
    fake = stack.fake_agent("pi", interval_s=1 if end == "late" else 60, url=node.url).come_alive({"x:y": 1})
    llamad.wait_node("pi", "online", timeout=2)
    silent_from = time.monotonic()
    if end == "will":
        fake.status("offline")
    else:
        fake.heartbeat()
        silent_from = time.monotonic() + 2.5
    first = wait_until(lambda: node.times(), 6, "first poll")[0]
    assert first - silent_from < stretched(2)
    assert first >= silent_from - 0.2, "not before it is silent"
    shown = llamad.wait_node("pi", "online", "agent_down")
    assert shown["via"] == "http"
    wait_until(lambda: values(llamad, "pi") == recorded_values(node), 3, "polled values replace the agent's")


def test_polling_ends_when_mqtt_is_fresh(stack):
    node = stack.node(name="pi")
    llamad = stack.llamad({"cluster": {"aggregation_interval": 1}})
    fake = stack.fake_agent("pi", url=node.url).come_alive()
    llamad.wait_node("pi", "online")
    fake.status("offline")
    llamad.wait_node("pi", "online", "agent_down")
    fake.status()
    fake.heartbeat()
    llamad.wait_node("pi", "online", via="mqtt")
    quiet = time.monotonic() + 0.3
    hold(lambda: node.count(since=quiet) == 0, 3.5, "no more polls")


def test_fresh_node_is_not_polled(stack):
    node = stack.node(name="pi")
    llamad = stack.llamad({"cluster": {"aggregation_interval": 1}})
    stack.fake_agent("pi", url=node.url).come_alive()
    llamad.wait_node("pi", "online", via="mqtt")
    hold(lambda: node.count() == 0, 3, "no poll")


def test_another_nodes_answer_is_not_taken(stack):
    node = stack.node("empty", "somebody-else")
    llamad = stack.llamad({"cluster": {"aggregation_interval": 1}})
    fake = stack.fake_agent("pi", url=node.url).come_alive({"system:cpu_temp": 45.5})
    llamad.wait_node("pi", "online")
    fake.status("offline")
    wait_until(lambda: llamad.node("pi")["rejects"].get("wrong_node", 0) >= 1, 8, "wrong_node counted")
    assert values(llamad, "pi") == {"system:cpu_temp": 45.5}
    assert "somebody-else" not in llamad.nodes()
    assert llamad.nodes()["pi"]["status"] != "online"


def test_source_name_of_the_last_heartbeat_is_accepted(stack):
    node = stack.node("empty", "smollamas-name")
    llamad = stack.llamad({"cluster": {"aggregation_interval": 1}})
    fake = stack.fake_agent("pi", url=node.url)
    fake.status()
    fake.heartbeat(source={"kind": "smollama", "node_name": "smollamas-name", "ok": True, "error": None,
                           "since": "2026-11-23T07:00:00.000Z", "latency_ms": 1})
    llamad.wait_node("pi", "online")
    fake.status("offline")
    llamad.wait_node("pi", "online", "agent_down")
    assert values(llamad, "pi") == recorded_values(node)


def test_address_outside_poll_allow_is_never_asked(stack):
    node = stack.node(name="pi")
    llamad = stack.llamad({"cluster": {"aggregation_interval": 1, "poll_allow": ["10.0.0.0/8"]}})
    named = f"http://localhost:{node.port}"
    for name, url in (("pi", node.url), ("pi-named", named)):
        fake = stack.fake_agent(name, url=url, interval_s=1).come_alive()
        llamad.wait_node(name, "online")
        fake.status("offline")
    for name in ("pi", "pi-named"):
        llamad.wait_node(name, "unreachable")
    hold(lambda: node.connections == 0, 2, "not even a connection")


def test_loopback_is_not_allowed_by_default(stack):
    node = stack.node(name="pi")
    llamad = stack.llamad(start=False)
    del llamad.config["cluster"]["poll_allow"]
    import yaml
    llamad.config_path.write_text(yaml.safe_dump(llamad.config))
    llamad.start()
    fake = stack.fake_agent("pi", url=node.url).come_alive()
    llamad.wait_node("pi", "online")
    fake.status("offline")
    hold(lambda: node.connections == 0, 4, "not even a connection")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/", "http://",
                                 "x" * 3000, "javascript:alert(1)", 7])
def test_strange_announced_urls_do_no_harm(stack, url):
    llamad = stack.llamad({"cluster": {"aggregation_interval": 1}})
    fake = stack.fake_agent("pi", url=url).come_alive()
    stack.fake_agent("other").come_alive()
    llamad.wait_node("other", "online")
    fake.status("offline")
    hold(lambda: llamad.alive and llamad.nodes()["other"]["status"] == "online", 1.5, "the others go on")
    assert not str(llamad.nodes().get("pi", {}).get("url") or "").startswith(("file", "ftp", "gopher", "javascript"))


def test_manual_name_wins_and_the_answered_one_is_an_alias(stack):
    node = stack.node()
    llamad = stack.llamad(manual(("my-kitchen", node.url)))
    llamad.wait_node("my-kitchen", "online")
    assert set(llamad.nodes()) == {"my-kitchen"}
    stack.agent(node)
    llamad.wait_node("my-kitchen", "online", via="mqtt")
    assert set(llamad.nodes()) == {"my-kitchen"}, "an agent speaking under the alias is that node"


def test_manual_url_wins_over_the_announced_one(stack):
    real, fake_node = stack.node(name="pi"), stack.node("empty", "pi")
    llamad = stack.llamad(manual(("pi", real.url), aggregation_interval=1))
    fake = stack.fake_agent("pi", url=fake_node.url).come_alive()
    llamad.wait_node("pi", "online", via="mqtt")
    fake.status("offline")
    llamad.wait_node("pi", "online", via="http")
    assert llamad.nodes()["pi"]["url"] == real.url
    assert fake_node.connections == 0


def test_answer_of_a_manual_node_may_name_anybody(stack):
    node = stack.node()
    node.behave("stats", respond_body(dump({"node_name": "x/+#\u0000", "timestamp": "2026-11-23T07:56:42"})))
    llamad = stack.llamad(manual(("kitchen", node.url)))
    llamad.wait_node("kitchen", "online")
    assert set(llamad.nodes()) == {"kitchen"}
