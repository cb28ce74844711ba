"""The simulated node does to its clients what the tests rely on."""

import http.client
import json
import socket
import time
import urllib.error
import urllib.request

import pytest

from tests.support.http_client import Http
from tests.support.recordings import FIXTURES, Recording
from tests.support.smollama_node import SmollamaNode, delay


@pytest.fixture
def node():
    with SmollamaNode("kitchen") as running:
        yield running


def raw(node: SmollamaNode, target: str = "/api/readings", method: str = "GET", timeout: float = 1.0) -> bytes:
    return Http("127.0.0.1", node.port).raw(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), timeout)


@pytest.mark.parametrize("target, name", [
    ("/api/readings", "readings"), ("/api/stats", "stats"), ("/api/health", "health"), ("/api/memories", "memories"),
    ("/api/observations", "observations"), ("/api/observations?query=&limit=-1&hours=0", "observations_all"),
    ("/api/observations?limit=100", "observations_all"), ("/api/observations?limit=x", "err422_limit"),
    ("/x", "err404"),
])
def test_answers_are_the_recorded_bytes(node, target, name):
    stem = FIXTURES / "kitchen" / name
    assert raw(node, target) == stem.with_suffix(".headers").read_bytes() + stem.with_suffix(".json").read_bytes()


def test_head_is_not_allowed(node):
    assert raw(node, method="HEAD").startswith(b"HTTP/1.1 405 ")


def test_limit_cuts_the_newest(node):
    body = json.loads(raw(node, "/api/observations?limit=3").split(b"\r\n\r\n", 1)[1])
    assert [item["id"] for item in body["observations"]] == [40, 39, 38]
    assert body["count"] == 3


def test_another_name_changes_only_the_name():
    with SmollamaNode("kitchen", "pi-küche") as node:
        answer = Http("127.0.0.1", node.port).get("/api/stats")
    recorded = Recording("kitchen").answer("stats").body
    assert answer.body == recorded.replace(b'"node_name":"kitchen"', '"node_name":"pi-küche"'.encode())
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_connection_stays_open_for_the_next_request(node):
    conn = http.client.HTTPConnection("127.0.0.1", node.port, timeout=2)
    for endpoint in ("stats", "readings", "stats"):
        conn.request("GET", f"/api/{endpoint}")
        assert conn.getresponse().read()
    conn.close()
    assert (node.connections, node.count("stats"), node.count()) == (1, 2, 3)


def test_stopped_node_refuses_and_comes_back_on_its_port(node):
    port = node.port
    node.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    node.start()
    assert node.port == port
    assert raw(node).startswith(b"HTTP/1.1 200 OK")


def test_hanging_endpoint_leaves_the_others_alone(node):
    node.behave("readings", "hang")
    assert raw(node, timeout=0.5) == b""
    assert raw(node, "/api/stats").startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("behaviour, status", [("error500", b"500"), ("off", b"503"), ("redirect", b"307"),
                                               ("html", b"200"), ("garbage", b"200")])
def test_wrong_answers(node, behaviour, status):
    node.behave("readings", behaviour)
    assert raw(node).split(b" ")[1] == status


def test_off_is_the_recorded_503(node):
    node.behave("*", "off")
    for endpoint, fixture in (("readings", "noreadings"), ("observations", "nostore"), ("memories", "nostore")):
        assert raw(node, f"/api/{endpoint}") == Recording(fixture).answer(endpoint).wire


def test_truncated_body_is_shorter_than_announced(node):
    node.behave("readings", "truncated")
    with pytest.raises(http.client.IncompleteRead):
        urllib.request.urlopen(node.url + "/api/readings", timeout=2).read()


def test_connection_closes_within_the_header(node):
    node.behave("readings", "mid_header")
    answer = raw(node)
    assert answer.startswith(b"HTTP/1.1 200") and b"\r\n\r\n" not in answer


@pytest.mark.parametrize("behaviour", ["reset", "close"])
def test_connection_ends_without_an_answer(node, behaviour):
    node.behave("readings", behaviour)
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        urllib.request.urlopen(node.url + "/api/readings", timeout=2)


def test_endless_body_goes_on(node):
    node.behave("readings", "endless")
    with socket.create_connection(("127.0.0.1", node.port), timeout=2) as sock:
        sock.sendall(b"GET /api/readings HTTP/1.1\r\nHost: x\r\n\r\n")
        received = 0
        while received < 8 << 20:
            received += len(sock.recv(1 << 20))


def test_drip_is_slow(node):
    node.behave("readings", "drip")
    assert 1 <= len(raw(node, timeout=0.5)) < 20


def test_delayed_answer_is_whole(node):
    node.behave("readings", delay(0.3))
    start = time.monotonic()
    assert raw(node, timeout=3).endswith(b"]}")
    assert time.monotonic() - start >= 0.3


def test_moving_node_is_of_now_and_plausible():
    with SmollamaNode("kitchen", "pi-kitchen", moving=True) as node:
        node._movement.observation_every_s = 0.1
        client = Http("127.0.0.1", node.port)
        first = client.get("/api/observations", limit=100).json["observations"]
        time.sleep(0.15)
        then = client.get("/api/observations", limit=100).json["observations"]
        temps = set()
        for _ in range(20):
            answer = client.get("/api/readings")
            temps.add(next(r["value"] for r in answer.json["readings"] if r["full_id"] == "system:cpu_temp"))
        stats = client.get("/api/stats")
    assert all(45 <= value <= 60 for value in temps) and len(temps) > 5
    assert len(then) == len(first) + 1 and then[0]["id"] == first[0]["id"] + 1
    assert then[1:] == first
    assert stats.json["node_name"] == "pi-kitchen" and stats.json["observations_count"] >= len(then)
    assert b": " not in stats.body and b", " not in stats.body
