"""Who may do what: users, sessions, tokens, and everybody else."""

import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import websocket

from tests.support import accounts as acc
from tests.support.accounts import PASSWORD, Accounts, bearer, log_in, session
from tests.support.http_client import Http
from tests.support.processes import LLAMAD, run_to_end
from tests.support.waiting import hold, wait_until

NODES = "/api/cluster/nodes"
PROTECTED = [NODES, "/api/cluster/readings", "/api/cluster/events", "/api/openapi.json", "/metrics", "/api/nowhere", "/api"]


@pytest.fixture(scope="module")
def scene(module_stack):
    """One node; anna may do everything, rita read; a token of each kind."""
    accounts = Accounts(module_stack.folder / "accounts").user("anna").user("rita", "--read").user("ülla o'x")
    reader, admin = accounts.token("reader"), accounts.token("boss", "--admin")
    llamad = acc.start(module_stack, accounts, admin)
    fake = module_stack.fake_agent("pi-a", interval_s=3600)
    fake.come_alive({"system:cpu_temp": 1})
    llamad.wait_node("pi-a", "online")

    http = Http("127.0.0.1", llamad.port)
    return SimpleNamespace(stack=module_stack, llamad=llamad, reader=reader, admin=admin, http=http,
                           anna=session(http, "anna"), rita=session(http, "rita"))


def upgrade(scene, headers):
    """The status of a handshake."""
    try:
        websocket.create_connection(f"ws://127.0.0.1:{scene.llamad.port}/api/cluster/live", header=headers,
                                    suppress_origin=True, timeout=5).close()
    except websocket.WebSocketBadStatusException as refused:
        return refused.status_code
    return 101


@pytest.mark.parametrize("path", PROTECTED)
def test_nobody_reads_without_login(scene, path):
    for headers in ({}, {"Cookie": f"llamad-{scene.llamad.port}=x"}, {"Authorization": acc.basic("anna", PASSWORD)}):
        answer = scene.http.get(path, headers)
        assert answer.status == 401 and answer.error_code == "unauthorized", headers
        assert answer.headers["www-authenticate"].startswith("Bearer"), "no browser may ask by itself"


def test_nobody_listens_without_login(scene):
    assert upgrade(scene, {}) == 401
    assert upgrade(scene, {"Cookie": "llamad=x"}) == 401
    assert upgrade(scene, bearer("llamad_" + 43 * "x")) in (401, 429)
    for headers in (scene.anna, scene.rita, bearer(scene.reader)):
        assert upgrade(scene, headers) == 101


def test_health_says_its_word_alone(scene):
    assert set(scene.http.get("/api/health").json) == {"status"}
    assert "broker" in scene.http.get("/api/health", bearer(scene.reader)).json


def test_the_page_itself_is_for_all(scene):
    for path in ("/", "/login.html"):
        assert scene.http.get(path).status == 200


@pytest.mark.parametrize("who", ["anna", "rita", "reader", "admin"])
def test_who_is_known_reads_everything(scene, who):
    headers = bearer(getattr(scene, who)) if who in ("reader", "admin") else getattr(scene, who)
    for path in PROTECTED:
        assert scene.http.get(path, headers).status in (200, 404), path


@pytest.mark.parametrize("who, status", [("anna", 202), ("admin", 202), ("rita", 403), ("reader", 403), ("nobody", 401)])
def test_changing_needs_the_scope_admin(scene, who, status):
    headers = {} if who == "nobody" else bearer(getattr(scene, who)) if who in ("reader", "admin") else getattr(scene, who)
    answer = scene.http.request("POST", NODES + "/pi-a/refresh", headers, body=b"")
    assert answer.status == status
    if status != 202:
        gone = scene.http.request("DELETE", NODES + "/pi-a?confirm=pi-a", headers)
        assert gone.status == status and gone.error_code == ("forbidden" if status == 403 else "unauthorized")
        assert "pi-a" in scene.llamad.nodes()


def test_every_route_asks_who_it_is(scene):
    """Whatever the API has: what changes something is for the scope admin, the rest for readers; two say little to anybody."""
    paths = scene.http.get("/api/openapi.json", bearer(scene.reader)).json["paths"]
    assert len(paths) > 10
    for path, known in paths.items():
        path = path.replace("{name}", "pi-a").replace("{node}", "pi-a")
        if path in ("/api/session", "/api/health"):
            continue
        for method in ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"):
            answer = scene.http.request(method, path, {}, body=b"" if method in ("POST", "PUT", "PATCH") else None)
            assert answer.status == 401, (method, path)
            assert not [name for name in answer.headers if name.startswith("access-control")], (method, path)
            if method.lower() in known and method in ("POST", "DELETE"):
                for who in (scene.rita, bearer(scene.reader)):
                    assert scene.http.request(method, path, who, body=b"").status == 403, (method, path)
        assert scene.http.request("PUT", path, scene.anna, body=b"").status == 405, path
    assert "pi-a" in scene.llamad.nodes()


@pytest.mark.parametrize("line, host, status", [
    ("GET", "", 421), ("GET", "Host:\r\n", 421), ("GET", "Host: localhost\r\nHost: localhost\r\n", 400),
    ("GET", "Host:\r\nHost: localhost\r\n", 400), ("GET", "Host: localhost\r\nhost:\r\n", 400),
    ("HEAD", "Host: localhost\r\n", 404), ("POST", "Host: localhost\r\n", 404), ("GET", "Host: localhost\r\n", 101)])
def test_listener_names_one_host_of_ours(scene, line, host, status):
    request = (f"{line} /api/cluster/live HTTP/1.1\r\n{host}Authorization: Bearer {scene.admin}\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    with socket.create_connection(("127.0.0.1", scene.llamad.port), timeout=5) as sock:
        sock.sendall(request.encode())
        assert int(sock.recv(4096).split()[1]) == status


def test_of_two_tokens_none_counts(scene):
    """Joined by a proxy or by us, two Authorization headers are no token that anybody knows."""
    headers = "".join(f"Authorization: Bearer {token}\r\n" for token in (scene.reader, scene.admin))
    assert scene.http.raw_status(f"POST {NODES}/pi-a/refresh HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: 0\r\n\r\n".encode()) \
        in (401, 429)


def test_another_user_in_the_same_browser_ends_the_first_ones_session(scene):
    first = session(scene.http, "anna")
    answer = log_in(scene.http, "rita", headers=first)
    second = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
    assert scene.http.get("/api/session", second).json["name"] == "rita"
    assert scene.http.get(NODES, first).status == 401
    both = {"Cookie": first["Cookie"] + "; " + second["Cookie"]}
    assert scene.http.get("/api/session", both).json["name"] == "rita", "what a subdomain put before it does no harm"


def test_session_says_who_is_asking(scene):
    def who(headers):
        return scene.http.get("/api/session", headers).json
    assert who({}) == {"logins": True, "kind": "anybody", "name": None, "scope": "none"}
    assert who(scene.rita) == {"logins": True, "kind": "user", "name": "rita", "scope": "read"}
    assert who(bearer(scene.admin)) == {"logins": True, "kind": "token", "name": "boss", "scope": "admin"}


def test_cookie_is_kept_from_scripts_and_other_sites(scene):
    answer = log_in(scene.http, "ülla o'x")
    assert answer.status == 200 and answer.json["name"] == "ülla o'x"
    parts = [part.strip() for part in answer.headers["set-cookie"].split(";")]
    assert parts[0].startswith(f"llamad-{scene.llamad.port}=") and len(parts[0].split("=")[1]) == 43
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(parts) and "Secure" not in parts


def test_login_makes_a_new_session_and_ends_the_old_one(scene):
    first = session(scene.http, "anna")
    answer = log_in(scene.http, "anna", headers=first)
    second = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
    assert first != second
    assert scene.http.get(NODES, second).status == 200
    assert scene.http.get(NODES, first).status == 401


@pytest.fixture(scope="module")
def doorkeeper(module_stack):
    """One to guess at."""
    accounts = Accounts(module_stack.folder / "wrong").user("anna")
    return module_stack.llamad({"http": accounts.http}, name="wrong", broker_port=1)


@pytest.mark.parametrize("name, password", [
    ("anna", "a long enough on"), ("anna", PASSWORD + "x"), ("anna", ""), ("Anna", PASSWORD), ("", PASSWORD), ("root", PASSWORD),
    ("anna", "x" * 300), ("x" * 100, PASSWORD), ("an\nna", PASSWORD)])
def test_wrong_logins_get_nothing(doorkeeper, name, password):
    answer = log_in(doorkeeper.http, name, password)
    assert answer.status in (400, 401, 429) and "set-cookie" not in answer.headers, answer.body


@pytest.mark.parametrize("header", ["Basic", "Basic ", "Basic !!!!", "Basic YW5uYQ==", "Basic YQBhOmI=", "Bearer x", "Digest x", ""])
def test_nonsense_is_no_login(scene, header):
    answer = scene.http.request("POST", "/api/session", {"Authorization": header} if header else {}, body=b"")
    assert answer.status in (400, 401, 429) and "set-cookie" not in answer.headers


def test_other_sites_cannot_log_anybody_in(scene):
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert log_in(scene.http, "anna", headers=headers).status == 403
        assert scene.http.request("DELETE", "/api/session", {**scene.rita, **headers}).status == 403
    assert scene.http.get(NODES, scene.rita).status == 200


def test_logout_ends_the_session_and_its_listeners(scene):
    own, other = session(scene.http, "anna"), session(scene.http, "anna")
    listening, bystander = scene.stack.live(scene.llamad, headers=own), scene.stack.live(scene.llamad, headers=other)
    listening.snapshot()
    bystander.snapshot()
    answer = scene.http.request("DELETE", "/api/session", own)
    assert answer.status == 204 and "Max-Age=0" in answer.headers["set-cookie"]
    assert listening.closed.wait(2) and listening.close_code == 1008
    assert scene.http.get(NODES, own).status == 401
    hold(lambda: not bystander.closed.is_set(), 0.3, "another session goes on")
    assert scene.http.get(NODES, other).status == 200


def test_many_logins_at_once_are_served_and_nobody_waits_for_them(scene):
    """Hashing is slow by intent, and done elsewhere; a request behind a login is answered after it."""
    socks = []
    request = (f"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: {acc.basic('rita', PASSWORD)}"
               "\r\n\r\nGET /api/session HTTP/1.1\r\nHost: localhost\r\n\r\n").encode()
    for _ in range(5):
        socks.append(socket.create_connection(("127.0.0.1", scene.llamad.port), timeout=10))
        socks[-1].sendall(request)
    assert scene.http.get("/api/health").status == 200
    for sock in socks:
        received = b""
        while received.count(b"HTTP/1.1 200") < 2:
            chunk = sock.recv(65536)
            assert chunk, received
            received += chunk
        sock.close()
    assert wait_until(lambda: scene.llamad.health()["loop"]["max_lag_ms"] < 1000, 1, "the loop has never stood still")


def test_login_that_leaves_in_the_middle_does_no_harm(scene):
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", scene.llamad.port)) as sock:
            sock.sendall(f"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
                         f"Authorization: {acc.basic('rita', PASSWORD)}\r\n\r\n".encode())
    assert log_in(scene.http, "rita").status == 200


# ---- changes while running --------------------------------------------------------------------------------


@pytest.fixture
def own(stack):
    accounts = Accounts(stack.folder / "accounts").user("anna").user("rita")
    token, script = accounts.token("boss", "--admin"), accounts.token("script")
    return accounts, acc.start(stack, accounts, token), script


def test_who_is_taken_out_is_out_at_once(stack, own):
    accounts, llamad, script = own
    http = Http("127.0.0.1", llamad.port)
    rita, anna = session(http, "rita"), session(http, "anna")
    lives = {who: stack.live(llamad, headers=headers) for who, headers in (("rita", rita), ("anna", anna), ("script", bearer(script)))}
    accounts.remove("passwd", "rita")
    accounts.remove("token", "script")
    for who in ("rita", "script"):
        assert lives[who].closed.wait(6) and lives[who].close_code == 1008, who
    assert not lives["anna"].closed.is_set()
    assert http.get(NODES, rita).status == http.get(NODES, bearer(script)).status == 401
    assert http.get(NODES, anna).status == 200
    assert log_in(http, "rita").status == 401
    accounts.user("anna", password="quite another one")
    assert lives["anna"].closed.wait(6), "another password ends the sessions of the old one"
    assert log_in(http, "anna").status == 401 and log_in(http, "anna", "quite another one").status == 200


def test_spoilt_file_changes_nothing(own):
    accounts, llamad, _ = own
    http = Http("127.0.0.1", llamad.port)
    anna = session(http, "anna")
    accounts.users.write_text("anna:plain text\n")
    line = llamad.wait_log("users and tokens stay as they were", 6)
    assert f"{accounts.users}:1: " in line and "plain text" not in line
    assert http.get(NODES, anna).status == 200
    accounts.users.unlink()
    llamad.wait_log("No such file", 6)
    assert http.get(NODES, anna).status == 200


def test_anonymous_readers_beside_users(stack):
    accounts = Accounts(stack.folder / "accounts").user("anna")
    llamad = stack.llamad({"http": {**accounts.http, "allow_anonymous": True}})
    assert llamad.http.get(NODES).status == 200
    assert llamad.http.request("POST", NODES + "/x/refresh", body=b"").status == 401
    assert llamad.http.request("POST", NODES + "/x/refresh", session(llamad.http, "anna"), body=b"").status == 404
    assert llamad.http.get("/api/session").json["scope"] == "read"


def test_without_accounts_everybody_may_do_everything_on_loopback(stack):
    llamad = stack.llamad()
    assert llamad.get("/api/session") == {"logins": False, "kind": "anybody", "name": None, "scope": "admin"}
    assert log_in(llamad.http, "anna").status == 404
    assert llamad.http.request("POST", NODES + "/x/refresh", body=b"").status == 404


# ---- the subcommands --------------------------------------------------------------------------------------


def test_passwords_are_kept_as_slow_hashes_that_only_the_owner_reads(tmp_path):
    accounts = Accounts(tmp_path).user("anna").user("rita", "--read")
    text = accounts.users.read_text()
    assert PASSWORD not in text and text.count("$y$") + text.count("$6$") == 2
    assert stat.S_IMODE(accounts.users.stat().st_mode) == 0o600
    assert accounts.run("passwd", "--list").stdout == "anna\tadmin\nrita\tread\n"
    accounts.user("rita", password="another password")
    assert accounts.run("passwd", "--list").stdout == "anna\tadmin\nrita\tread\n", "the scope stays"
    accounts.remove("passwd", "anna")
    assert "anna" not in accounts.users.read_text()
    lock = tmp_path / "users.lock"
    assert sorted(tmp_path.iterdir()) == [accounts.users, lock] and lock.stat().st_size == 0, "nothing else is left beside it"


def test_tokens_are_shown_once_and_kept_as_digests(tmp_path):
    accounts = Accounts(tmp_path)
    token = accounts.token("prometheus")
    assert token.startswith("llamad_") and token not in accounts.tokens.read_text()
    assert accounts.run("token", "--list").stdout.startswith("prometheus\tread\t20")
    again = accounts.run("token", "prometheus")
    assert again.returncode == 1 and "has a token already" in again.stderr


def test_many_who_change_a_file_at_once_lose_nothing(tmp_path):
    accounts = Accounts(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: accounts.run("token", f"script-{n}"), range(24)))
        users = list(pool.map(lambda n: accounts.run("passwd", f"user-{n}", stdin=PASSWORD + "\n"), range(8)))
    assert not [one for one in done + users if one.returncode], "each says that it did it"
    assert {line.split("\t")[0] for line in accounts.run("token", "--list").stdout.splitlines()} == {f"script-{n}" for n in range(24)}
    assert len(accounts.run("passwd", "--list").stdout.splitlines()) == 8


@pytest.mark.parametrize("password", ["short", "", "ümläuts"])
def test_bad_passwords_change_nothing(tmp_path, password):
    accounts = Accounts(tmp_path)
    done = accounts.run("passwd", "anna", stdin=password + "\n")
    assert done.returncode == 1 and done.stderr.startswith("llamad passwd: ")
    assert not accounts.users.exists()


@pytest.mark.parametrize("args, status", [(["a:b"], 64), ([], 64), (["a", "b"], 64), (["--list", "a"], 64), (["--wrong"], 64),
                                          (["--remove", "nobody"], 1), (["--help"], 0)])
def test_wrong_usage_of_passwd_is_said(tmp_path, args, status):
    done = Accounts(tmp_path).run("passwd", *args, stdin=PASSWORD)
    assert done.returncode == status and (done.stderr or done.stdout)


def test_the_configuration_names_the_file(tmp_path):
    config = tmp_path / "llamad.yaml"
    config.write_text(f"http: {{tokens_file: {tmp_path}/tokens}}\n")
    done = run_to_end([LLAMAD, "token", "-c", config, "script"], tmp_path)
    assert done.returncode == 0 and f"{tmp_path}/tokens" in done.stderr
    done = run_to_end([LLAMAD, "passwd", "-c", config, "anna"], tmp_path)
    assert done.returncode == 78 and "http.users_file" in done.stderr
