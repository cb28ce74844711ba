"""deep=1: every node's own search is asked, within bounds, and merged with what llamad holds."""

import json
import signal
import socket
import threading
import time

import pytest

from tests.support.processes import free_port
from tests.support.smollama_node import delay, respond_body
from tests.support.waiting import Stopwatch, hold, stretched, wait_until

OBSERVATIONS, MEMORIES = "/api/cluster/observations", "/api/cluster/memories"
SLACK = 0.8


def manual(*nodes, **cluster):
    listed = [{"name": node.name, "url": node.url} for node in nodes]
    return {"cluster": {"manual_nodes": listed, "aggregation_interval": 300, **cluster}}


def observation(number, text, at="2026-11-23T09:00:00", **more):
    return {"id": number, "timestamp": at, "text": text, "confidence": 0.5, "type": "general",
            "related_sources": [], "similarity": 0.8, **more}


def answer(*items, kind="observations"):
    return respond_body(json.dumps({"query": "", "hours": 0, "count": len(items), kind: list(items)}).encode())


def cluster(stack, *nodes, **options):
    """llamad with these nodes configured and polled once; later searches are all that is asked of them."""
    llamad = stack.llamad(manual(*nodes, **options))
    for node in nodes:
        llamad.wait_node(node.name, "online")
    wait_until(lambda: all(node.count("memories") == 1 for node in nodes), 5, "each was polled once")
    return llamad


def deep(llamad, path=OBSERVATIONS, **params):
    return llamad.get(path, deep=1, **params)


def searches(node, endpoint="observations"):
    """How often its search was asked, apart from the one poll."""
    return node.count(endpoint) - 1


def texts(found, node):
    kind = "observations" if "observations" in found else "memories"
    return {item["id"]: item["text"] for item in found[kind] if item["node"] == node.name}


# --- what comes out ---

def test_finds_what_the_cache_does_not_hold(stack):
    node, other = stack.node(name="pi-a"), stack.node("empty", "pi-b")
    llamad = cluster(stack, node, other)
    node.behave("observations", answer(observation(9001, "meant the same"), observation(9002, "a door", at="?")))
    found = deep(llamad, query="a door is open", limit=20)
    assert found["nodes"] == {"pi-a": "ok", "pi-b": "ok"} and found["cut"] is False
    assert texts(found, node) == {9001: "meant the same", 9002: "a door"}, "the node ranks by meaning"
    assert found["count"] == 2
    first = found["observations"][0]
    assert list(first)[:2] == ["node", "at"] and first["at"].startswith("2026-11-23T")
    assert found["observations"][-1]["at"] is None
    asked = node.requests[-1].query
    assert asked == {"query": "a door is open", "hours": "0", "limit": "20"}
    assert llamad.get(OBSERVATIONS, query="meant the same")["count"] == 0, "it did not enter the cache"


def test_merged_without_doubles(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node)
    held = llamad.get(OBSERVATIONS, limit=1000)["observations"]
    changed = dict(json.loads(node.body("observations"))["observations"][0], text="as it is now")
    node.behave("observations", answer(changed, changed, observation(9001, "new")))
    found = deep(llamad, limit=1000)
    ids = [item["id"] for item in found["observations"]]
    assert sorted(ids) == sorted([item["id"] for item in held] + [9001])
    assert texts(found, node)[changed["id"]] == "as it is now", "the node knows better than the cache"
    assert found["count"] == len(held) + 1


def test_hours_and_type_are_filtered_here(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node)
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    node.behave("observations", answer(observation(1, "old", "2020-01-01T00:00:00"),
                                       observation(2, "odd", "2026-11-20T08:00:00", type="x y"),
                                       observation(3, "new", now + "Z", type="x y"), observation(4, "none", "?")))
    found = deep(llamad, hours=2, obs_type="x y")
    assert texts(found, node) == {3: "new"}
    asked = node.requests[-1].query
    assert (asked["hours"], asked["obs_type"]) == ("0", "x y")


def test_memories_go_by_confirmation(stack):
    node = stack.node("empty", "pi-a")
    llamad = cluster(stack, node)
    listed = [{"id": number, "text": f"m{number}", "times_confirmed": times, "created_at": "2026-11-23 08:00:00"}
              for number, times in ((1, 2), (2, 7), (3, 7))]
    node.behave("memories", answer(*listed, kind="memories"))
    found = deep(llamad, MEMORIES, query="m", limit=3)
    assert [item["id"] for item in found["memories"]] == [2, 3, 1] and found["count"] == 3
    assert found["memories"][0]["at"] == "2026-11-23T08:00:00.000Z"


@pytest.mark.parametrize("behaviour, word", [
    ("error500", "http_500"), ("garbage", "bad_body"), ("html", "bad_body"), ("off", "off"), ("endless", "too_large"),
    ("truncated", "truncated"), ("redirect", "redirect"), ("hang", "timeout"), ("drip", "timeout"),
])
def test_nodes_that_fail_are_named_and_cost_nothing(stack, behaviour, word):
    """With vector search, a memory search that answers 500 is what real nodes do."""
    bad, good = stack.node(name="pi-a"), stack.node("empty", "pi-b")
    llamad = cluster(stack, bad, good, request_timeout=1)
    held = llamad.get(MEMORIES, limit=1000)["count"]
    bad.behave("memories", behaviour)
    good.behave("memories", answer({"id": 5, "text": "found", "times_confirmed": 1,
                                    "created_at": "2026-11-23 08:00:00"}, kind="memories"))
    watch = Stopwatch()
    found = deep(llamad, MEMORIES, limit=1000)
    assert watch.seconds < stretched(1 + SLACK)
    assert found["nodes"] == {"pi-a": word, "pi-b": "ok"}
    assert texts(found, good) == {5: "found"} and found["count"] == held + 1, "what the cache holds stays"
    assert llamad.nodes()["pi-a"]["status"] == "online", "a search is no probe"
    assert all(request.endpoint for request in bad.requests), "redirects are not followed"


def test_forged_items_are_left_out(stack):
    node = stack.node("empty", "pi-a")
    llamad = cluster(stack, node)
    node.behave("observations", respond_body(
        b'{"observations":[{"id":1,"text":"a","node":"pi-b"},{"id":2,"text":"b","\\u0061t":"2030-01-01T00:00:00Z"},'
        b'{"id":3,"text":"c"},{"id":[4]},7]}'))
    found = deep(llamad)
    assert found["nodes"] == {"pi-a": "ok"} and texts(found, node) == {3: "c"}
    assert sum(llamad.node("pi-a")["rejects"].values()) >= 1


def test_more_than_was_asked_for_is_not_taken(stack):
    node = stack.node("empty", "pi-a")
    llamad = cluster(stack, node)
    node.behave("observations", answer(*(observation(n, "x") for n in range(1, 50))))
    found = deep(llamad, limit=10)
    assert sorted(texts(found, node)) == list(range(1, 11))


# --- who is asked ---

def test_who_cannot_be_asked(stack):
    node, liar = stack.node(name="pi-a"), stack.node("empty", "somebody-else")
    llamad = stack.llamad({"cluster": {"poll_allow": ["127.0.0.1/32"]}})
    for name, url in (("mute", None), ("pi-a", node.url), ("liar", liar.url),
                      ("far", "http://127.0.0.2:80"), ("gone", f"http://127.0.0.1:{free_port()}")):
        stack.fake_agent(name, **({"url": url} if url else {})).come_alive()
        llamad.wait_node(name, "online")
    liar.behave("observations", answer(observation(1, "not yours")))
    found = deep(llamad)
    assert found["nodes"] == {"mute": "no_url", "pi-a": "ok", "liar": "wrong_node", "far": "forbidden_address",
                              "gone": "refused"}
    assert {item["node"] for item in found["observations"]} == {"pi-a"}
    assert liar.count("observations") == 0, "only who says this name is asked"
    assert [r.endpoint for r in node.requests] == ["stats", "observations"]
    assert llamad.node("liar")["rejects"]["wrong_node"] == 1


def test_only_the_named_nodes_are_asked(stack):
    node, other = stack.node(name="pi a"), stack.node("empty", "pi-b")
    llamad = cluster(stack, node, other)
    assert deep(llamad, node="pi a")["nodes"] == {"pi a": "ok"}
    assert (searches(node), searches(other)) == (1, 0)
    assert llamad.http.get(OBSERVATIONS, deep=1, node="nobody").error_code == "unknown_node"


def test_only_get_and_good_parameters(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node)
    head = llamad.http.request("HEAD", OBSERVATIONS, deep=1)
    assert (head.status, head.headers["allow"]) == (405, "GET")
    for params in ({"limit": 0}, {"hours": -1}):
        assert llamad.http.get(OBSERVATIONS, deep=1, **params).error_code == "bad_request"
    assert llamad.http.request("GET", OBSERVATIONS, body=b"x", deep=1).error_code == "bad_request"
    assert searches(node) == 0
    found = llamad.http.get(OBSERVATIONS, deep=1)
    assert found.status == 200 and "etag" not in found.headers
    assert llamad.http.get(OBSERVATIONS, deep=0).headers["etag"], "that is the list as ever"


# --- bounds ---

def test_same_question_is_answered_by_what_was_found(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node)
    for _ in range(20):
        assert deep(llamad, query="door")["nodes"] == {"pi-a": "ok"}
    assert searches(node) == 1
    deep(llamad, query="window")
    assert searches(node) == 2


@pytest.mark.timeout(90)
def test_what_was_found_is_kept_for_thirty_seconds(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node)
    deep(llamad, query="door")
    watch = Stopwatch()
    hold(lambda: deep(llamad, query="door") and searches(node) == 1, 28, "no further question", interval=1)
    wait_until(lambda: deep(llamad, query="door") and searches(node) == 2, 6, "asked again")
    assert watch.seconds >= 29


def test_six_questions_a_minute(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node)
    for number in range(6):
        deep(llamad, query=f"q{number}")
    refused = llamad.http.get(MEMORIES, deep=1, query="one more")
    assert (refused.status, refused.error_code) == (429, "rate_limited")
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    assert deep(llamad, query="q3")["nodes"] == {"pi-a": "ok"}, "what was found is there"
    assert searches(node) == 6 and searches(node, "memories") == 0
    assert llamad.http.get(OBSERVATIONS, query="q").status == 200


def ask_in_thread(llamad, **params):
    answers = []
    thread = threading.Thread(target=lambda: answers.append((time.monotonic(), deep(llamad, **params))))
    thread.start()

    def result():
        thread.join()
        return answers[0]
    return result


def test_two_clients_at_once_share_one_search(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node)
    node.behave("observations", delay(1))
    results = [ask_in_thread(llamad, query="door") for _ in range(2)]
    assert all(result()[1]["nodes"] == {"pi-a": "ok"} for result in results)
    assert searches(node) == 1


def test_a_node_is_asked_one_question_at_a_time(stack):
    node, other = stack.node(name="pi-a"), stack.node("empty", "pi-b")
    llamad = cluster(stack, node, other, request_timeout=2)
    node.behave("observations", delay(0.7))
    results = [ask_in_thread(llamad, query=f"q{number}") for number in range(2)]
    assert all(result()[1]["nodes"] == {"pi-a": "ok", "pi-b": "ok"} for result in results)
    times = node.times("observations")[1:]
    assert len(times) == 2 and times[1] - times[0] > 0.6


def test_who_waits_for_a_hanging_node_waits_no_longer_than_its_limit(stack):
    node, other = stack.node(name="pi-a"), stack.node("empty", "pi-b")
    llamad = cluster(stack, node, other, request_timeout=2)
    node.behave("observations", "hang")
    began = time.monotonic()
    results = [ask_in_thread(llamad, query=f"q{number}") for number in range(3)]
    for result in results:
        ended, found = result()
        assert ended - began < stretched(2 + SLACK)
        assert found["nodes"]["pi-a"] in ("timeout", "busy") and found["nodes"]["pi-b"] == "ok"


def test_hanging_nodes_delay_nobody_else(stack):
    hanging = [stack.node(name=f"hang-{number}") for number in range(20)]
    good = stack.node("empty", "good")
    llamad = cluster(stack, good, *hanging, request_timeout=2)
    for node in hanging:
        node.behave("observations", "hang")
    result = ask_in_thread(llamad, query="x")
    wait_until(lambda: searches(hanging[0]) == 1, 3, "asked")
    for _ in range(20):
        watch = Stopwatch()
        assert llamad.http.get(OBSERVATIONS).status == 200
        assert watch.seconds < stretched(0.3)
    found = result()[1]
    assert found["nodes"] == {"good": "ok", **{node.name: "timeout" for node in hanging}}


# --- what happens meanwhile ---

def open_question(llamad, query):
    client = socket.create_connection(("127.0.0.1", llamad.port))
    client.sendall(f"GET {OBSERVATIONS}?deep=1&query={query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def test_clients_that_leave_cost_nothing(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node, request_timeout=4)
    node.behave("observations", delay(3))
    clients = [open_question(llamad, "door") for _ in range(50)]
    wait_until(lambda: searches(node) == 1, 3, "asked")
    staying = ask_in_thread(llamad, query="door")
    cpu = llamad.cpu_seconds()
    for client in clients[::2]:
        client.close()
    for client in clients[1::2]:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    assert staying()[1]["nodes"] == {"pi-a": "ok"}
    assert llamad.cpu_seconds() - cpu < stretched(1), "nothing spins"
    assert searches(node) == 1
    assert deep(llamad, query="door")["nodes"] == {"pi-a": "ok"} and searches(node) == 1


def test_requests_behind_it_are_answered_after_it(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node)
    node.behave("observations", delay(1.5))
    cpu = llamad.cpu_seconds()
    with open_question(llamad, "door") as client:
        client.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        client.settimeout(stretched(5))
        received = b""
        while data := client.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b'"nodes":{"pi-a":"ok"}') < received.index(b'"uptime_s"')
    assert llamad.cpu_seconds() - cpu < stretched(1), "nothing spins"


def test_node_forgotten_meanwhile(stack):
    node, other = stack.node(name="pi-a"), stack.node(name="pi-b")
    llamad = stack.llamad()
    for each in (node, other):
        stack.fake_agent(each.name, url=each.url).come_alive()
        llamad.wait_node(each.name, "online")
    node.behave("observations", delay(1.5))
    result = ask_in_thread(llamad, query="x")
    wait_until(lambda: node.count("observations") == 1, 3, "asked")
    assert llamad.http.request("DELETE", "/api/cluster/nodes/pi-a", confirm="pi-a").status == 204
    found = result()[1]
    assert found["nodes"] == {"pi-a": "forgotten", "pi-b": "ok"}
    assert {item["node"] for item in found["observations"]} == {"pi-b"}
    assert "pi-a" not in llamad.nodes()


def test_forgotten_node_leaves_what_was_found(stack):
    node, other = stack.node(name="pi-a"), stack.node(name="pi-b")
    llamad = stack.llamad()
    for each in (node, other):
        stack.fake_agent(each.name, url=each.url).come_alive()
        llamad.wait_node(each.name, "online")
    assert {item["node"] for item in deep(llamad)["observations"]} == {"pi-a", "pi-b"}
    assert llamad.http.request("DELETE", "/api/cluster/nodes/pi-a", confirm="pi-a").status == 204
    found = deep(llamad)
    assert found["nodes"] == {"pi-a": "forgotten", "pi-b": "ok"}
    assert {item["node"] for item in found["observations"]} == {"pi-b"}
    assert other.count("observations") == 1


def test_llamad_stops_meanwhile(stack):
    node = stack.node(name="pi-a")
    llamad = cluster(stack, node, request_timeout=10)
    node.behave("observations", "hang")
    with open_question(llamad, "x") as client:
        wait_until(lambda: searches(node) == 1, 3, "asked")
        watch = Stopwatch()
        llamad.process.send_signal(signal.SIGTERM)
        client.settimeout(stretched(2))
        received = client.recv(65536)
        assert b"503" in received.split(b"\r\n")[0] and b"stopping" in received
        assert llamad.process.wait(stretched(2)) == 0 and watch.seconds < stretched(2)
