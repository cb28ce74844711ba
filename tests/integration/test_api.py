"""The cluster API: shapes, filters, caching."""

import json

import pytest

from tests.support.processes import quote
from tests.support.recordings import dump
from tests.support.shapes import assert_keys, is_utc
from tests.support.waiting import wait_until

SECOND = "pi b ü"
NODE_KEYS = ("name", "type", "url", "status", "cause", "reason", "via", "last_seen", "age_s", "since", "discovered_by",
             "version", "uptime_s", "latency_ms", "clock_skew_s", "labels", "counts", "source")
LISTS = ("/api/cluster/nodes", "/api/cluster/readings", "/api/cluster/observations", "/api/cluster/memories",
         "/api/cluster/stats", "/api/cluster/events")


def test_nodes_have_the_shape_of_the_contract(still):
    answer = still.llamad.get("/api/cluster/nodes")
    assert_keys(answer, ("timestamp", "count", "nodes"))
    assert is_utc(answer["timestamp"]) and answer["count"] == 2
    nodes = {node["name"]: node for node in answer["nodes"]}
    assert set(nodes) == {"pi-a", SECOND}
    for node in nodes.values():
        assert set(NODE_KEYS) <= set(node)
        assert_keys(node["counts"], ("readings", "observations", "memories"))
        assert (node["status"], node["via"]) == ("online", "mqtt")
        assert is_utc(node["last_seen"]) and is_utc(node["since"]) and node["age_s"] >= 0
        assert isinstance(node["reason"], str) and "mqtt" in node["discovered_by"]
    assert nodes["pi-a"]["type"] == "llama"
    assert nodes["pi-a"]["counts"] == {"readings": 13, "observations": 40, "memories": 12}
    assert nodes[SECOND]["counts"] == {"readings": 7, "observations": 0, "memories": 0}


def test_one_node_has_its_evidence(still):
    node = still.llamad.node(SECOND)
    assert node["name"] == SECOND and set(NODE_KEYS) <= set(node)
    assert isinstance(node["evidence"], dict) and node["evidence"]
    assert isinstance(node["rejects"], dict)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_unknown_node_is_404(still, method):
    answer = still.http.request(method, "/api/cluster/nodes/nobody?confirm=nobody")
    assert (answer.status, answer.error_code) == (404, "unknown_node")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json["error"]["message"]


def test_unknown_path_is_404(still):
    for path in ("/api/nothing", "/api/cluster/nope", "/api/cluster/nodes/pi-a/nope"):
        answer = still.http.get(path)
        assert (answer.status, answer.error_code) == (404, "not_found")


def test_items_are_the_nodes_own_bytes_behind_node_and_at(still):
    text = still.http.get("/api/cluster/readings").body
    for name, content in still.contents.items():
        for item in content["readings"]["readings"]:
            stamp = item["timestamp"][:23] + "Z"
            front = f'{{"node":"{name}","at":"{stamp}",'.encode()
            assert front + dump(item)[1:] in text
    text = still.http.get("/api/cluster/observations", limit=1000).body
    for item in still.contents["pi-a"]["observations"]["observations"]:
        assert b'{"node":"pi-a","at":"' + item["timestamp"][:23].encode() + b'Z",' + dump(item)[1:] in text
    assert b"\\u0000" in text, "a NUL in a text survives"
    text = still.http.get("/api/cluster/memories", limit=1000).body
    for item in still.contents["pi-a"]["memories"]["memories"]:
        stamp = item["created_at"].replace(" ", "T").encode() + b".000Z"
        assert b'{"node":"pi-a","at":"' + stamp + b'",' + dump(item)[1:] in text


def test_readings_have_the_shape_of_the_contract(still):
    answer = still.llamad.get("/api/cluster/readings")
    assert_keys(answer, ("timestamp", "count", "nodes", "readings"))
    assert answer["count"] == len(answer["readings"]) == 20
    assert set(answer["nodes"]) == {"pi-a", SECOND}
    for state in answer["nodes"].values():
        assert_keys(state, ("status", "captured_at", "age_s"))
        assert state["status"] == "online" and is_utc(state["captured_at"]) and state["age_s"] >= 0


@pytest.mark.parametrize("params, count", [
    ({"node": "pi-a"}, 13), ({"node": SECOND}, 7), ({"node": ["pi-a", SECOND]}, 20),
    ({"source": "system:cpu_temp"}, 2), ({"source": "jetson_inference:pose_count"}, 1),
    ({"source": "system:cpu_temp", "node": "pi-a"}, 1), ({"source_type": "system"}, 10), ({"source_type": "gpio"}, 4),
    ({"source_type": "sys"}, 0), ({"q": "CPU_temp"}, 2), ({"q": "no such text"}, 0), ({"limit": 3}, 3),
    ({"unknown": "ignored"}, 20),
])
def test_readings_filters(still, params, count):
    answer = still.llamad.get("/api/cluster/readings", **params)
    assert answer["count"] == len(answer["readings"]) == count


@pytest.mark.parametrize("path", [path for path in LISTS if "nodes" not in path and "stats" not in path])
def test_list_of_an_unknown_node_says_so(still, path):
    answer = still.http.get(path, node="nobody")
    assert (answer.status, answer.error_code) == (404, "unknown_node")


def test_readings_grouped_by_source(still):
    answer = still.llamad.get("/api/cluster/readings", group="source")
    rows = {(row["full_id"], row["unit"]): row for row in answer["sources"]}
    row = rows[("system:mem_percent", "percent")]
    assert set(row) >= {"full_id", "unit", "count", "min", "max", "mean", "nodes"}
    assert row["nodes"] == {"pi-a": 2.5, SECOND: 3.2}
    assert (row["count"], row["min"], row["max"]) == (2, 2.5, 3.2) and abs(row["mean"] - 2.85) < 1e-9
    text_row = rows[("jetson_inference:top_object", None)]
    assert text_row["nodes"] == {"pi-a": "person"} and text_row["mean"] is None


def observations(still, **params):
    return still.llamad.get("/api/cluster/observations", **params)["observations"]


def test_observations_are_newest_first_and_limited(still):
    listed = observations(still)
    assert len(listed) == 40 and [o["at"] for o in listed] == sorted((o["at"] for o in listed), reverse=True)
    assert [o["id"] for o in observations(still, limit=2)] == [o["id"] for o in listed[:2]]
    assert all(o["node"] == "pi-a" for o in listed)


def test_observations_query_is_a_substring_whatever_the_case(still):
    everything = observations(still, limit=1000)
    for query in ("UNUSUAL type", "47.2°C", "no such text"):
        expected = [o["id"] for o in everything if query.lower() in o["text"].lower()]
        assert [o["id"] for o in observations(still, query=query, limit=1000)] == expected
    assert observations(still, query="unusual TYPE")


def test_observations_by_type_and_hours(still):
    everything = observations(still, limit=1000)
    expected = [o["id"] for o in everything if o["type"] == "general"]
    assert [o["id"] for o in observations(still, obs_type="general", limit=1000)] == expected != []
    assert len(observations(still, hours=24 * 365 * 100, limit=1000)) == 40
    assert observations(still, hours=0, limit=1000) == everything, "0 means all"


def test_memories_by_confirmation_then_newest(still):
    listed = still.llamad.get("/api/cluster/memories", limit=1000)["memories"]
    keys = [(m["times_confirmed"], m["at"]) for m in listed]
    assert len(listed) == 12 and keys == sorted(keys, reverse=True)
    found = still.llamad.get("/api/cluster/memories", query="CELSIUS")["memories"]
    assert [m["text"] for m in found] == [m["text"] for m in listed if "celsius" in m["text"].lower()] != []


def test_stats_sum_what_nodes_say(still):
    stats = still.llamad.get("/api/cluster/stats")
    assert_keys(stats, ("timestamp", "nodes", "totals", "by_node"))
    assert stats["nodes"] == {"total": 2, "online": 2, "degraded": 0, "stale": 0, "unreachable": 0, "unknown": 0}
    assert stats["totals"] == {"readings": 39, "observations": 40, "memories": 12, "sources": 20}
    assert stats["by_node"] == {name: content["stats"] for name, content in still.contents.items()}


def test_events_can_be_narrowed(still):
    events = still.llamad.events()
    assert [e["id"] for e in events] == sorted((e["id"] for e in events), reverse=True)
    for event in events:
        assert_keys(event, ("id", "at", "node", "from", "to", "cause", "reason"))
        assert is_utc(event["at"])
    for event in events:
        assert all(e["id"] > event["id"] for e in still.llamad.events(since=event["id"]))
    assert all(e["node"] == "pi-a" for e in still.llamad.events(node="pi-a"))
    assert len(still.llamad.events(limit=1)) == min(1, len(events))


def test_health_has_what_operators_need(still):
    health = still.llamad.health()
    assert {"status", "timestamp", "version", "instance", "revision", "uptime_s", "broker", "nodes", "rejects",
            "limits"} <= set(health)
    assert health["status"] == "ok" and health["broker"]["state"] == "connected"
    assert health["version"] == "0.1.0" and is_utc(health["timestamp"])
    assert all(isinstance(n, int) for n in health["rejects"].values())


@pytest.mark.parametrize("path", [
    "/api/cluster/readings?limit=x", "/api/cluster/readings?limit=-1", "/api/cluster/observations?limit=1e3",
    "/api/cluster/observations?hours=soon", "/api/cluster/observations?hours=-5", "/api/cluster/events?since=x",
    "/api/cluster/readings?group=colour", "/api/cluster/observations?limit=99999999999999999999",
])
def test_wrong_parameters_are_400(still, path):
    answer = still.http.get(path)
    assert (answer.status, answer.error_code) == (400, "bad_request")
    name = path.split("?")[1].split("=")[0]
    assert name in answer.json["error"]["message"], "the message names the parameter"


@pytest.mark.parametrize("path", LISTS + ("/api/health", f"/api/cluster/nodes/{quote(SECOND)}"))
def test_head_is_get_without_body(still, path):
    get, head = still.http.get(path), still.http.request("HEAD", path)
    assert head.status == 200 and head.body == b""
    assert head.headers["content-type"] == get.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method, path", [
    ("POST", "/api/cluster/nodes"), ("PUT", "/api/cluster/readings"), ("DELETE", "/api/cluster/readings"),
    ("GET", "/api/cluster/nodes/pi-a/refresh"), ("POST", "/api/health"), ("POST", "/"),
])
def test_other_methods_are_405(still, method, path):
    answer = still.http.request(method, path, body=b"" if method in ("POST", "PUT") else None)
    assert answer.status == 405
    if path.startswith("/api/"):
        assert "allow" in answer.headers


@pytest.mark.parametrize("path", LISTS)
def test_etag_answers_304_while_nothing_moves(still, path):
    first = still.http.get(path)
    tag = first.headers["etag"]
    for header in (tag, f'"other", {tag}', "*", f"W/{tag}"):
        again = still.http.get(path, headers={"If-None-Match": header})
        assert (again.status, again.body) == (304, b""), header
        assert again.headers["etag"] == tag
    assert still.http.get(path, headers={"If-None-Match": '"other"'}).status == 200
    other = still.http.get(path + "?node=pi-a").headers["etag"]
    assert other != tag, "another question has another tag"


def test_body_is_rendered_anew_after_a_second(still):
    first = still.llamad.get("/api/cluster/nodes")["timestamp"]
    wait_until(lambda: still.llamad.get("/api/cluster/nodes")["timestamp"] > first, 2, "a younger body")


def test_answers_carry_the_security_headers(still):
    for path in ("/", "/api/cluster/nodes", "/api/nothing", "/no-such-page"):
        headers = still.http.get(path).headers
        policy = headers["content-security-policy"]
        rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
        assert rules["default-src"] in (["'none'"], ["'self'"]) and rules["frame-ancestors"] == ["'none'"]
        sources = {source for allowed in rules.values() for source in allowed}
        assert sources <= {"'self'", "'none'"}
        assert headers["x-content-type-options"] == "nosniff"


def test_dashboard_is_served(still):
    page = still.http.get("/")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    assert b"<!doctype html" in page.body.lower()
    assert still.http.get("/no-such-file.js").status == 404


def test_json_is_valid_utf8_and_complete(still):
    for path in LISTS:
        answer = still.http.get(path)
        json.loads(answer.body.decode("utf-8"))
        assert int(answer.headers["content-length"]) == len(answer.body)
