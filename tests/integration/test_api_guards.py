"""Whom llamad answers: hosts, origins, and requests that are not what they seem."""

import resource
import socket

import pytest

from tests.support.http_client import Http
from tests.support.waiting import wait_until

PATH = "/api/cluster/nodes"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "192.168.1.7:8090", "dash.example",
                                  "dash.example:443", socket.gethostname(), socket.gethostname() + ".local"])
def test_hosts_that_are_ours(still, host):
    assert still.http.get(PATH, headers={"Host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "xlocalhost", "",
                                  "dash.example.evil", "dash.example@evil", "evil.example:8090", "1.2.3.4.5"])
@pytest.mark.parametrize("path", [PATH, "/"])
def test_foreign_hosts_are_421(still, host, path):
    assert still.http.get(path, headers={"Host": host}).status in ({400, 421} if host == "" else {421})


def origin_of(still):
    return f"http://127.0.0.1:{still.llamad.port}"


def test_own_origins_may(still):
    for origin in (origin_of(still), "https://dash.example"):
        assert still.http.get(PATH, headers={"Origin": origin}).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1",
                                    "http://dash.example", "https://dash.example.evil", "https://dash.example:444",
                                    "x"])
def test_foreign_origins_are_403(still, origin):
    answer = still.http.get(PATH, headers={"Origin": origin})
    assert answer.status == 403 and answer.json["error"]["message"]


@pytest.mark.parametrize("method, path", [("POST", PATH + "/pi-a/refresh"), ("DELETE", PATH + "/pi-a?confirm=pi-a")])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_other_sites_may_change_nothing(still, method, path, site):
    assert still.http.request(method, path, headers={"Sec-Fetch-Site": site}).status == 403
    assert "pi-a" in still.llamad.nodes()


def test_own_site_may_change(still):
    answer = still.http.request("POST", PATH + "/pi-a/refresh", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 202


def test_reading_from_another_site_is_a_matter_of_origin(still):
    assert still.http.get(PATH, headers={"Sec-Fetch-Site": "cross-site"}).status == 200


def ask(still, target: bytes = PATH.encode(), method: bytes = b"GET", headers: bytes = b"",
        body: bytes = b"") -> int | None:
    """The status of an answer to exactly these bytes."""
    head = method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n"
    return still.http.raw_status(head + body)


@pytest.mark.parametrize("target", [
    b"/api/cluster/nodes;x", b"/api/cluster/nodes/pi-a;x", b"/api/cluster/nodes/pi-a%00", b"/api/cluster/nodes/pi-a&x",
    b"/api/cluster/nodes/pi%ff", b"/api/cluster/nodes/\xff", b"/api/cluster/nodes/pi%zz",
    b"/api/cluster/readings?node=%ff", b"/api/cluster/readings?node=a%00b", b"http://evil.example/api/cluster/nodes",
])
def test_ambiguous_targets_are_refused(still, target):
    """None: libwebsockets closes what it cannot parse."""
    assert ask(still, target) in (400, 403, 404, 421, None)
    assert "pi-a" in still.llamad.nodes()


@pytest.mark.parametrize("target", [
    b"/pi-a;x?confirm=pi-a;x", b"/pi-a%00?confirm=pi-a%00", b"/pi-a;?confirm=pi-a", b"/pi-a&?confirm=pi-a",
    b"/pi-a?confirm=pi-a&confirm=other"])
def test_nobody_is_forgotten_by_a_cut_path(still, target):
    assert ask(still, PATH.encode() + target, b"DELETE") in (400, 404, None)
    assert "pi-a" in still.llamad.nodes()


@pytest.mark.parametrize("headers", [
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n",
    b"Host: evil.example\r\n", b"Host: localhost\r\n"])
@pytest.mark.parametrize("method, target", [
    (b"GET", b"/api/cluster/nodes"), (b"POST", b"/api/cluster/nodes/pi-a/refresh")])
def test_ambiguous_requests_are_refused(still, headers, method, target):
    body = b"0\r\n\r\n" if b"chunked" in headers else b""
    assert ask(still, target, method, headers, body) in (400, 421, 501, None)


def test_missing_host_is_refused(still):
    assert still.http.raw_status(b"GET /api/cluster/nodes HTTP/1.1\r\n\r\n") in (400, 421, None)


def test_long_url_is_414(still):
    assert ask(still, PATH.encode() + b"?x=" + b"y" * 9000) == 414
    assert ask(still, PATH.encode() + b"?x=" + b"y" * 4000) == 200


def test_large_headers_are_refused(still):
    assert ask(still, headers=b"Referer: " + b"y" * 20000 + b"\r\n") in (400, 403, 413, 431, None)
    assert still.http.get(PATH).status == 200


def test_unknown_headers_take_no_room(still):
    """libwebsockets drops them while parsing, however long they are."""
    before = still.llamad.rss_kib()
    assert ask(still, headers=b"X-Large: " + b"y" * 5_000_000 + b"\r\n") in (200, 400, 413, 431, None)
    still.llamad.assert_flat(before)
    assert ask(still, headers=b"".join(b"X-%d: y\r\n" % i for i in range(3000))) in (200, 400, 413, 431, None)
    assert still.http.get(PATH).status == 200


def test_large_body_is_refused(still):
    status = ask(still, PATH.encode() + b"/pi-a/refresh", b"POST", b"Content-Length: 3000000\r\n", b"x" * 3000000)
    assert status in (413, None)
    assert still.http.get(PATH).status == 200


@pytest.mark.parametrize("data", [
    b"\x00\xff\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_noise_is_survived(still, data):
    assert still.http.raw_status(data, timeout=0.5) in (400, 403, 404, 405, 421, 501, 505, None)
    assert still.http.get(PATH).status == 200


def test_half_a_request_holds_nobody_up(still):
    socks = []
    for _ in range(20):
        sock = socket.create_connection(("127.0.0.1", still.llamad.port))
        sock.sendall(b"GET /api/cluster/nodes HTTP/1.1\r\nHo")
        socks.append(sock)
    assert Http("127.0.0.1", still.llamad.port, timeout=2).get(PATH).status == 200
    for sock in socks:
        sock.close()


def test_thousands_of_half_requests_keep_nobody_out(still):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    socks = []
    try:
        for _ in range(2200):
            socks.append(socket.create_connection(("127.0.0.1", still.llamad.port)))
            socks[-1].sendall(b"GET /api/cluster/nodes HTTP/1.1\r\nHo")
        assert Http("127.0.0.1", still.llamad.port, timeout=3).get(PATH).status == 200
    finally:
        for sock in socks:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_body_that_trickles_in_is_not_waited_for(still):
    with socket.create_connection(("127.0.0.1", still.llamad.port)) as sock:
        sock.sendall(b"POST /api/cluster/nodes/pi-a/refresh HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: 60000\r\n\r\n")

        def gone() -> bool:
            try:
                sock.sendall(b"x")
            except OSError:
                return True
            return False

        wait_until(gone, 20, "the connection is closed", interval=0.5)
    assert still.http.get(PATH).status == 200


@pytest.mark.parametrize("path", [
    "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd",
    "/static/../../etc/passwd", "/.git/config"])
def test_files_stay_within_the_dashboard(still, path):
    answer = still.http.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert b"root:" not in answer and b"[core]" not in answer
    assert not answer or int(answer.split()[1]) in (200, 400, 403, 404)


def test_keep_alive_connection_answers_again(still):
    request = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", still.llamad.port), timeout=5) as sock:
        for _ in range(3):
            sock.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer or b"}" not in answer:
                answer += sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")


def test_guards_are_counted_or_logged(still):
    before = len(still.llamad.log)
    still.http.get(PATH, headers={"Host": "evil.example\x1b[31m"})
    assert "\x1b" not in still.llamad.log[before:], "peer text is escaped"
