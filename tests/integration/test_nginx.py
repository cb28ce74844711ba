"""llamad behind nginx, as docs/security.md has it: below a path, over TLS, with the addresses of those who ask."""

import http.client
import re
import ssl
from types import SimpleNamespace

import pytest
import websocket

from tests.support.accounts import PASSWORD, Accounts, basic
from tests.support.http_client import Http
from tests.support.nginx import BINARY, Nginx
from tests.support.processes import ROOT, free_port
from tests.support.tls import Authority

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason="no nginx: see scripts/bootstrap")


def block_of_the_page() -> str:
    return re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "security.md").read_text(), re.S).group(1)


@pytest.fixture(scope="module")
def scene(module_stack):
    folder = module_stack.folder
    accounts = Accounts(folder / "accounts").user("anna")
    authority = Authority(folder / "tls")
    cert, key = authority.server(names="DNS:dash.example,IP:127.0.0.1")
    port = free_port()
    llamad = module_stack.llamad({"http": {
        **accounts.http, "public_url": f"https://dash.example:{port}/cluster/", "trusted_proxies": ["127.0.0.1"]}}, broker_port=1)
    block = block_of_the_page()
    for stands, here in (("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"), ("127.0.0.1:8090", f"127.0.0.1:{llamad.port}"),
                         ("/etc/ssl/dash.example.crt", str(cert)), ("/etc/ssl/dash.example.key", str(key))):
        assert block.count(stands) == 1, stands
        block = block.replace(stands, here)
    module_stack._add(Nginx(folder, block, port)).start()

    context = ssl.create_default_context(cafile=str(authority.cert))

    def ask(method, path, headers=None, source="127.0.0.1"):
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context, source_address=(source, 0))
        try:
            connection.request(method, path, headers={"Host": f"dash.example:{port}", **(headers or {})})
            answer = connection.getresponse()
            return SimpleNamespace(status=answer.status, body=answer.read(), headers={k.lower(): v for k, v in answer.getheaders()})
        finally:
            connection.close()

    def login(password, source, headers=None):
        return ask("POST", "/cluster/api/session", {"Authorization": basic("anna", password), "Content-Length": "0",
                                                    **(headers or {})}, source)
    return SimpleNamespace(llamad=llamad, ask=ask, login=login, port=port, ca=authority.cert)


def session(scene, source="127.0.0.1"):
    answer = scene.login(PASSWORD, source)
    assert answer.status == 200, answer.body
    return answer.headers["set-cookie"]


def test_page_and_all_it_loads_stand_below_the_path(scene):
    for page in ("/cluster/", "/cluster/login.html"):
        answer = scene.ask("GET", page)
        assert answer.status == 200
        links = re.findall(r'(?:src|href)="([^"#]+)"', answer.body.decode())
        for link in links:
            assert not link.startswith(("/", "http")), "relative to the page"
            assert scene.ask("GET", f"/cluster/{link}").status == 200, link
    assert scene.ask("GET", "/cluster").status == 301, "nginx leads to the page, below which links are relative"
    assert scene.ask("GET", "/").status == 404


def test_cookie_is_for_the_path_and_tls_alone(scene):
    cookie = session(scene)
    assert cookie.startswith("__Secure-llamad-") and "; Path=/cluster/;" in cookie and cookie.endswith("; Secure")
    headers = {"Cookie": cookie.split(";")[0]}
    assert scene.ask("GET", "/cluster/api/cluster/nodes", headers).status == 200
    assert scene.ask("GET", "/cluster/api/cluster/nodes").status == 401


def test_live_push_comes_through(scene):
    cookie = session(scene).split(";")[0]
    url = f"wss://127.0.0.1:{scene.port}/cluster/api/cluster/live"
    options = {"sslopt": {"ca_certs": str(scene.ca)}, "timeout": 5, "host": f"dash.example:{scene.port}"}
    own = f"https://dash.example:{scene.port}"
    live = websocket.create_connection(url, origin=own, cookie=cookie, **options)
    assert '"type":"snapshot"' in live.recv()
    live.close()
    for origin, jar, status in ((own, None, 401), ("https://evil.example", cookie, 403), (f"http://dash.example:{scene.port}", cookie, 403)):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            websocket.create_connection(url, origin=origin, cookie=jar, **options)
        assert refused.value.status_code == status


def test_names_that_are_not_ours_are_refused_through_the_proxy_too(scene):
    for headers in ({"Host": "evil.example"}, {"Host": "evil.example", "X-Forwarded-Host": "dash.example"},
                    {"Host": "evil.example", "Forwarded": "host=dash.example"}):
        assert scene.ask("GET", "/cluster/api/health", headers).status == 421


def test_one_guesser_holds_up_nobody_else_behind_the_proxy(scene):
    answers = [scene.login("wrong", "127.0.0.2", {"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(9)]
    assert answers[0].status == 401 and answers[-1].status == 429, "whatever it says of itself"
    assert int(answers[-1].headers["retry-after"]) >= 1
    scene.llamad.wait_log("http: 127.0.0.2: refused: a wrong name or password")
    assert session(scene, "127.0.0.3")
    assert "192.0.2." not in scene.llamad.log


def test_what_a_client_puts_before_the_proxys_word_hides_nobody(scene):
    """As HAProxy hands it on: the client's own header, and behind it one of the proxy's, in a line of its own or in the same."""
    head = f"POST /api/session HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic('anna', 'wrong')}\r\nContent-Length: 0\r\n"
    for lie, source in (("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 198.51.100.21", "198.51.100.21"),
                        ("X-Forwarded-For: " + "192.0.2.1, " * 500 + "198.51.100.22", "198.51.100.22"),
                        ("X-Forwarded-For: " + "x" * 8000 + "\r\nX-Forwarded-For: 198.51.100.23", "198.51.100.23")):
        assert Http("127.0.0.1", scene.llamad.port).raw_status(f"{head}{lie}\r\n\r\n".encode()) == 401
        scene.llamad.wait_log(f"http: {source}: refused: a wrong name or password")
    assert "192.0.2.1" not in scene.llamad.log


def test_who_is_no_proxy_is_not_believed(scene):
    lies = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/elsewhere", "Content-Length": "0"}

    def straight(password):
        connection = http.client.HTTPConnection("127.0.0.1", scene.llamad.port, timeout=5, source_address=("127.0.0.7", 0))
        try:
            connection.request("POST", "/api/session", headers={"Authorization": basic("anna", password), **lies})
            return connection.getresponse()
        finally:
            connection.close()
    assert straight("wrong").status == 401
    scene.llamad.wait_log("http: 127.0.0.7: refused")
    assert "198.51.100.1" not in scene.llamad.log
    cookie = straight(PASSWORD).getheader("set-cookie")
    assert cookie.startswith("llamad-") and "Secure" not in cookie and "; Path=/;" in cookie, "without the proxy it is plain HTTP"


def test_path_that_the_proxy_hands_on_is_cut_off(scene):
    straight = Http("127.0.0.1", scene.llamad.port)
    for path, status in (("/cluster/api/health", 200), ("/cluster/", 200), ("/cluster/api/cluster/nodes", 401), ("/clusterx/api/health", 404),
                         ("/cluster/cluster/api/health", 404)):
        assert straight.get(path).status == status, path
