"""Attackers of the HTTP server: each is refused or without effect, told once a minute, counted, and nobody else notices."""

import resource
import socket
import time
from types import SimpleNamespace

import pytest

from tests.support import accounts as acc
from tests.support.accounts import Accounts, basic, bearer, session
from tests.support.http_client import Http
from tests.support.live_client import LiveClient
from tests.support.waiting import stretched, wait_until

NODES = "/api/cluster/nodes"
TIMES = 12


@pytest.fixture(scope="module")
def scene(module_stack):
    """A node that goes on telling values, and a bystander who is shown them."""
    accounts = Accounts(module_stack.folder / "accounts").user("anna")
    token = accounts.token("bystander", "--admin")
    llamad = acc.start(module_stack, accounts, token)
    fake = module_stack.fake_agent("pi-a", interval_s=3600)
    fake.come_alive({"system:cpu_temp": 1})
    llamad.wait_node("pi-a", "online")
    live = module_stack.live(llamad, headers=bearer(token))
    live.snapshot()
    cookie = session(Http("127.0.0.1", llamad.port), "anna")
    return SimpleNamespace(llamad=llamad, fake=fake, live=live, cookie=cookie["Cookie"], count=0)


def check_others(scene):
    """The bystander is served, and what changes reaches it."""
    scene.count += 1
    assert scene.llamad.http.get(NODES).status == 200
    scene.fake.readings({"system:cpu_temp": 1000 + scene.count})
    scene.live.wait_frame(lambda frame: any(reading["value"] == 1000 + scene.count for reading in frame.get("readings", [])), 3)
    assert not scene.live.closed.is_set()


#: By the reasons of llamad_http_refused_total in /metrics, which is rendered once a second; health is at once.
COUNTERS = {"host": "refused_host", "origin": "refused_origin", "bad": "bad_requests", "unauthorized": "unauthorized",
            "wrong_login": "failed_logins", "wrong_token": "bad_tokens", "rate_limited": "rate_limited"}


def refused(scene, reason):
    return scene.llamad.health()["http"][COUNTERS[reason]]


def send(scene, data, source):
    """The status of the answer to these bytes from that address; None if there is none."""
    with socket.create_connection(("127.0.0.1", scene.llamad.port), timeout=3, source_address=(source, 0)) as sock:
        try:
            sock.sendall(data)
            received = sock.recv(4096)
        except OSError:
            return None
    return int(received.split()[1]) if received.startswith(b"HTTP/1.") else None


def request(line, *headers, host="localhost"):
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
LIVE = "GET /api/cluster/live"
FORGET = f"DELETE {NODES}/pi-a?confirm=pi-a"
ATTACKS = {
    "a page of another site opens the WebSocket with the cookie": (
        "origin", 403, lambda cookie: request(LIVE, *UPGRADE, f"Cookie: {cookie}", "Origin: http://evil.example")),
    "a sandboxed page opens the WebSocket with the cookie": (
        "origin", 403, lambda cookie: request(LIVE, *UPGRADE, f"Cookie: {cookie}", "Origin: null")),
    "a page of another site forgets a node": (
        "origin", 403, lambda cookie: request(FORGET, f"Cookie: {cookie}", "Origin: https://evil.example")),
    "a page of a neighbouring site forgets a node": (
        "origin", 403, lambda cookie: request(FORGET, f"Cookie: {cookie}", "Sec-Fetch-Site: same-site")),
    "a name that was bound anew to our address reads": (
        "host", 421, lambda cookie: request(f"GET {NODES}", f"Cookie: {cookie}", host="evil.example")),
    "a name that was bound anew to our address listens": (
        "host", 421, lambda cookie: request(LIVE, *UPGRADE, f"Cookie: {cookie}", "Origin: http://evil.example", host="evil.example")),
    "a session is made up": (
        "unauthorized", 401, lambda cookie: request(f"GET {NODES}", f"Cookie: {cookie[:-1]}")),
    "a listener without a name": ("unauthorized", 401, lambda cookie: request(LIVE, *UPGRADE)),
    "two lengths": ("bad", 400, lambda cookie: request(f"POST {NODES}/pi-a/refresh", "Content-Length: 0", "Content-Length: 44",
                                                        f"Cookie: {cookie}") + request(FORGET, f"Cookie: {cookie}")),
    "a length and chunks": ("bad", 400, lambda cookie: request(
        f"POST {NODES}/pi-a/refresh", "Content-Length: 6", "Transfer-Encoding: chunked", f"Cookie: {cookie}") + b"0\r\n\r\n" + request(
            FORGET, f"Cookie: {cookie}")),
    "chunks spelt oddly": ("bad", 400, lambda cookie: request(
        f"POST {NODES}/pi-a/refresh", "Transfer-Encoding:\tchunked", "Content-Length: 4", f"Cookie: {cookie}") + b"0\r\n\r\n"),
    "a signed length": ("bad", 400, lambda cookie: request(f"POST {NODES}/pi-a/refresh", "Content-Length: +5", f"Cookie: {cookie}") + b"12345"),
    "two hosts": ("bad", 400, lambda cookie: request(f"GET {NODES}", "Host: evil.example", f"Cookie: {cookie}")),
    "a path that is read twice": ("bad", 400, lambda cookie: request(f"DELETE {NODES}/pi-a;x?confirm=pi-a;x", f"Cookie: {cookie}")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_refused_told_once_counted_and_without_effect(scene, name):
    reason, status, attack = ATTACKS[name]
    source = f"127.0.1.{list(ATTACKS).index(name) + 1}"
    before = refused(scene, reason)
    for _ in range(TIMES):
        assert send(scene, attack(scene.cookie), source) == status
    assert refused(scene, reason) - before == TIMES
    check_others(scene)
    assert "pi-a" in scene.llamad.nodes()
    lines = [line for line in scene.llamad.log.splitlines() if f"http: {source}: refused: " in line]
    assert len(lines) == (0 if reason == "unauthorized" else 1), "one line a minute; a page that has no login is nothing to tell"


#: libwebsockets refuses these while parsing, or reads them as one request; either way nothing else comes of them.
SMUGGLED = request(FORGET)
ODD = {
    "a folded header": f"GET {NODES} HTTP/1.1\r\nHost: localhost\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n".encode(),
    "a space before the colon": f"POST {NODES}/pi-a/refresh HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n".encode() + SMUGGLED,
    "a bare line feed": f"GET {NODES} HTTP/1.1\nHost: localhost\nContent-Length: {len(SMUGGLED)}\n\n".encode() + SMUGGLED,
    "a bare carriage return": f"GET {NODES} HTTP/1.1\rHost: localhost\r\r".encode() + SMUGGLED,
    "a NUL in a header": f"GET {NODES} HTTP/1.1\r\nHost: local\0host\r\n\r\n".encode(),
    "no version": f"GET {NODES}\r\nHost: localhost\r\n\r\n".encode(),
    "an old version": f"GET {NODES} HTTP/0.9\r\nHost: localhost\r\n\r\n".encode(),
    "another place in the target": f"GET http://evil.example{NODES} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a line end in the address": request(f"GET /api/health%0d%0aX-Evil:%201{NODES}"),
    "a thousand headers": request(f"GET {NODES}", *(f"X-{n}: y" for n in range(1000))),
    "a header without end": b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a=b; " * 8000,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_requests_are_without_effect(scene, name):
    for _ in range(5):
        assert send(scene, ODD[name], "127.0.2.1") in (400, 401, 403, 404, 405, 413, 421, 431, 501, 505, None)
    check_others(scene)
    assert "pi-a" in scene.llamad.nodes()


def test_guesser_waits_and_the_guessed_does_not(scene):
    """Thirty tries: a few are looked at, the others are told to wait; the user logs in meanwhile, from elsewhere."""
    guess = [request("POST /api/session", "Content-Length: 0", f"Authorization: {basic('anna', f'guess {n}')}") for n in range(30)]
    before = refused(scene, "wrong_login"), refused(scene, "rate_limited")
    statuses = [send(scene, one, "127.0.3.1") for one in guess]
    assert set(statuses) == {401, 429} and statuses.count(401) <= 8 and statuses[-1] == 429
    assert refused(scene, "wrong_login") - before[0] == statuses.count(401)
    assert refused(scene, "rate_limited") - before[1] == statuses.count(429)
    assert session(Http("127.0.0.1", scene.llamad.port), "anna")
    check_others(scene)
    told = [line for line in scene.llamad.log.splitlines() if "http: 127.0.3.1: refused: " in line]
    assert len(told) == 2 and "guess" not in "".join(told), "one line for each reason, and no password in it"


def test_wrong_tokens_wait_and_right_ones_do_not(scene):
    wrong = request(f"GET {NODES}", "Authorization: Bearer llamad_" + "x" * 43)
    statuses = [send(scene, wrong, "127.0.3.2") for _ in range(20)]
    assert set(statuses) == {401, 429}
    right = request(f"GET {NODES}", f"Authorization: {scene.llamad.http.defaults['Authorization']}")
    assert send(scene, right, "127.0.3.2") == 200, "the same address, with the right one"
    assert refused(scene, "wrong_token") >= statuses.count(401)
    wait_until(lambda: b'llamad_http_refused_total{reason="wrong_token"} 6' in scene.llamad.http.get("/metrics").body, 3, "in /metrics too")


def test_idle_and_slow_connections_are_ended_and_hold_nobody_up(scene):
    """2,000 that say nothing, and 50 that never come to an end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    idle, slow = [], []
    try:
        for n in range(2000):
            idle.append(socket.create_connection(("127.0.0.1", scene.llamad.port), source_address=(f"127.0.4.{n % 4}", 0)))
        for n in range(50):
            slow.append(socket.create_connection(("127.0.0.1", scene.llamad.port), source_address=(f"127.0.5.{n}", 0)))
            slow[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ")
        began = time.monotonic()
        assert scene.llamad.health()["http"]["connections"] >= 2000
        check_others(scene)
        assert time.monotonic() - began < stretched(2), "nobody waits for them"

        def trickled_out() -> bool:
            for sock in slow:
                try:
                    sock.send(b"x")
                except OSError:
                    pass
            return scene.llamad.health()["http"]["connections"] < 50
        wait_until(trickled_out, 25, "both kinds are closed", interval=0.5)
        check_others(scene)
        assert scene.llamad.health()["http"]["silent"] >= 2000, "counted"
        told = [line for line in scene.llamad.log.splitlines() if "refused: connections that ask for nothing" in line]
        assert sorted({line.split()[3] for line in told}) == [f"127.0.4.{n}:" for n in range(4)] and len(told) == 4, told
    finally:
        for sock in idle + slow:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_address_cannot_have_all_connections(stack):
    """With room for few, most of it stays for others."""
    llamad = stack.llamad(broker_port=1, wrapper=["/usr/bin/prlimit", "--nofile=600:600"])
    socks = [socket.create_connection(("127.0.0.1", llamad.port), source_address=("127.0.6.1", 0)) for _ in range(400)]
    http = llamad.http.get_json("/api/health")["http"]
    assert http["crowded_out"] > 300 and http["connections"] < 100, http
    llamad.wait_log("http: 127.0.6.1: refused: as many connections as one address may have")
    live = LiveClient("127.0.0.1", llamad.port)
    live.snapshot()
    live.close()
    for sock in socks:
        sock.close()
    wait_until(lambda: llamad.http.get_json("/api/health")["http"]["connections"] < 5, 5, "they are gone")
    with socket.create_connection(("127.0.0.1", llamad.port), timeout=5, source_address=("127.0.6.1", 0)) as sock:
        sock.sendall(request("GET /api/health"))
        assert sock.recv(100).startswith(b"HTTP/1.1 200"), "and it may come again"
