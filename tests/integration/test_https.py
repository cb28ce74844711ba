"""TLS at llamad itself: who is trusted, what is spoken, and certificates exchanged while it runs."""

import os
import signal
import socket
import ssl
import warnings
from types import SimpleNamespace

import pytest

from tests.support.accounts import Accounts, basic, log_in
from tests.support.http_client import Http
from tests.support.live_client import LiveClient
from tests.support.processes import LLAMAD, run_to_end
from tests.support.tls import Authority
from tests.support.waiting import wait_until


def trusting(authority):
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def start(stack, authority, accounts=None, name="llamad"):
    cert, key = authority.server(name)
    http = {"tls": {"cert": str(cert), "key": str(key)}, **(accounts.http if accounts else {})}
    llamad = stack.llamad({"http": http}, start=False, name=name, broker_port=1)
    llamad.http.tls = trusting(authority)
    llamad.start()
    return SimpleNamespace(llamad=llamad, http=llamad.http, cert=cert, key=key, authority=authority)


@pytest.fixture(scope="module")
def scene(module_stack):
    return start(module_stack, Authority(module_stack.folder / "tls"), Accounts(module_stack.folder).user("anna"))


def shake_hands(scene, context):
    raw = socket.create_connection(("127.0.0.1", scene.llamad.port), timeout=5)
    return context.wrap_socket(raw, server_hostname="localhost")


def serial(scene):
    with shake_hands(scene, scene.http.tls) as sock:
        return sock.getpeercert()["serialNumber"]


def test_what_is_spoken(scene):
    with shake_hands(scene, scene.http.tls) as sock:
        assert sock.version() == "TLSv1.3" and sock.selected_alpn_protocol() == "http/1.1"
    old = trusting(scene.authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with shake_hands(scene, old) as sock:
        assert sock.version() == "TLSv1.2" and "GCM" in sock.cipher()[0] or "CHACHA" in sock.cipher()[0]
    older = trusting(scene.authority)
    older.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake_hands(scene, older)


def test_clients_that_do_not_know_the_authority_see_that(scene):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(scene, ssl.create_default_context())


def test_page_and_api_and_large_answers(scene):
    page = scene.http.get("/")
    assert page.status == 200 and page.headers["content-security-policy"]
    script = scene.http.get("/app.js") if b"app.js" in page.body else page
    assert script.status == 200 and len(script.body) == int(script.headers["content-length"])
    assert scene.http.get("/api/health").json["status"] == "degraded"


def test_cookie_is_bound_to_host_and_tls(scene):
    answer = log_in(scene.http, "anna")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"__Host-llamad-{scene.llamad.port}=") and "; Secure" in cookie and "; Path=/;" in cookie
    headers = {"Cookie": cookie.split(";")[0]}
    assert scene.http.get("/api/cluster/nodes", headers).status == 200
    live = LiveClient("127.0.0.1", scene.llamad.port, headers=headers, ca=scene.authority.cert)
    live.snapshot()
    live.close()


@pytest.mark.parametrize("scheme, status", [("https", 401), ("http", 403)])
def test_origin_must_be_of_the_same_scheme(scene, scheme, status):
    origin = f"{scheme}://127.0.0.1:{scene.llamad.port}"
    assert scene.http.get("/api/cluster/nodes", {"Origin": origin}).status == status


def test_plain_http_and_noise_get_nothing(scene):
    plain = Http("127.0.0.1", scene.llamad.port)
    for data in (b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x00" * 500):
        assert not plain.raw(data, timeout=1).startswith(b"HTTP/1.1 200")
    assert scene.http.get("/api/health").status == 200


def test_handshakes_that_stall_hold_nobody_up(scene):
    socks = [socket.create_connection(("127.0.0.1", scene.llamad.port)) for _ in range(200)]
    for sock in socks[::2]:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
    assert scene.http.get("/api/health").status == 200
    for sock in socks:
        sock.close()


def test_guesser_who_leaves_at_once_is_known_all_the_same(scene):
    """A connection that was reset does not tell its address any more: it must have been asked before."""
    guess = (f"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
             f"Authorization: {basic('rita', 'wrong')}\r\n\r\n").encode()
    for _ in range(20):
        raw = socket.create_connection(("127.0.0.1", scene.llamad.port), timeout=5, source_address=("127.0.7.1", 0))
        with scene.http.tls.wrap_socket(raw, server_hostname="localhost") as sock:
            sock.sendall(guess)  # closed with the session tickets unread: the peer sees a reset
    scene.llamad.wait_log("http: 127.0.7.1: refused: too many wrong ones before")
    assert " http: ::: " not in scene.llamad.log


def replace(made, cert, key):
    """As certbot or `llamad certs --renew` do it: one file after the other, each at once."""
    os.replace(cert, made.cert)
    os.replace(key, made.key)


@pytest.mark.parametrize("how", ["the files change", "SIGHUP"])
def test_certificate_is_exchanged_and_nobody_notices(stack, how):
    authority = Authority(stack.folder / "tls")
    made = start(stack, authority)
    before = serial(made)
    live = LiveClient("127.0.0.1", made.llamad.port, ca=authority.cert)
    live.snapshot()
    replace(made, *authority.server("next"))
    if how == "SIGHUP":
        made.llamad.send_signal(signal.SIGHUP)
        made.llamad.wait_log("new certificate taken over", 1)
    wait_until(lambda: serial(made) != before, 6, "new connections see the new certificate")
    assert made.http.get("/api/health").status == 200 and not live.closed.is_set()
    live.close()


def test_certificate_that_has_ended_is_told(stack):
    """At the start as a warning of the configuration, later when it is taken over."""
    authority = Authority(stack.folder / "tls")
    made = start(stack, authority)
    replace(made, *authority.server("ended", days=-1))
    made.llamad.wait_log("warning http.tls: the new certificate ended on 20", 6)
    check = run_to_end([LLAMAD, "--check", "-c", made.llamad.config_path], stack.folder)
    assert check.returncode == 0 and "the certificate ended on 20" in check.stdout + check.stderr


def test_spoilt_certificate_changes_nothing(stack):
    authority = Authority(stack.folder / "tls")
    made = start(stack, authority)
    before = serial(made)
    made.key.write_bytes(authority.server("other")[1].read_bytes())
    made.llamad.wait_log("is not the key to the certificate", 6)
    made.cert.write_text("nonsense")
    made.llamad.wait_log("holds no certificate", 6)
    made.cert.unlink()
    made.llamad.wait_log("No such file", 6)
    assert serial(made) == before


def test_what_is_wrong_at_start_is_said_by_file_and_line(tmp_path):
    authority = Authority(tmp_path / "tls")
    (cert, key), (_, other) = authority.server("one"), authority.server("two")
    config = tmp_path / "llamad.yaml"
    for lines, expected in ((f"cert: {cert}", "belong together"), (f"cert: {cert}\n    key: {other}", "not the key"),
                            (f"cert: {key}\n    key: {key}", "no certificate"), (f"cert: {cert}\n    key: /no/such", "No such file")):
        config.write_text(f"http:\n  tls:\n    {lines}\n")
        for args in ([], ["--check"]):
            done = run_to_end([LLAMAD, *args, "-c", config], tmp_path)
            assert done.returncode == 78 and expected in done.stderr and "llamad.yaml:" in done.stderr, done.stderr
