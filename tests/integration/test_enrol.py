"""Enrolment in one line: llamad enrol here, alpaca-agent enrol there; and revoked again."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.support.locked_broker import LockedBroker
from tests.support.processes import AGENT, LLAMAD, ROOT, SANITIZER, Process, free_port, write_yaml
from tests.support.waiting import wait_until


@pytest.fixture
def locked(stack):
    broker = LockedBroker(stack)
    yield broker
    broker.close()


@pytest.fixture(scope="module")
def shared(module_stack):
    """For tests that leave it as it was."""
    broker = LockedBroker(module_stack)
    yield broker
    broker.close()


def agent_enrol(config: Path, word: str, *options: str, stdin: str = "", preload: Path | None = None) -> subprocess.CompletedProcess:
    env = {**os.environ, "LD_PRELOAD": str(preload)} if preload else None
    return subprocess.run([AGENT, "enrol", "-c", config, *options, word], capture_output=True, text=True, timeout=20,
                          input=stdin, env=env)


def whole_word(*parts: bytes) -> str:
    """With a right checksum, whatever is in it."""
    raw = b"\0".join(parts)
    return "smc1-" + base64.urlsafe_b64encode(raw + zlib.crc32(raw).to_bytes(4, "little")).decode().rstrip("=")


@pytest.mark.parametrize("name", ["pi-kitchen", "pi b ü"])
def test_one_line_brings_a_node_in_and_another_throws_it_out(locked, stack, tmp_path, name):
    word = locked.enrol(name)
    config = write_yaml(tmp_path / "pi" / "config.yaml", {"alpaca": {"source": "system", "heartbeat_interval": 1}})
    out = agent_enrol(config, word)
    assert out.returncode == 0 and f"This is {name}, and gets in at the broker localhost:{locked.tls_port}" in out.stdout, out
    agent = Process("agent", [AGENT, "-c", config], tmp_path)
    stack.processes.append(agent)
    agent.start()
    locked.llamad.wait_node(name, "online", via="mqtt")
    assert "enrolled" in locked.run("enrol", "--list").stdout

    mark = agent.log_mark()
    out = locked.run("enrol", "--revoke", name)
    assert out.returncode == 0 and f"{name} is revoked" in out.stdout, out
    agent.wait_log("lost", timeout=2, since=mark)
    agent.wait_log("not authorized", timeout=10, since=mark)
    wait_until(lambda: locked.llamad.health()["broker"]["child"]["troubles"]["not_authorised"] >= 1, 3, "it is counted")
    assert [line.split() for line in locked.run("enrol", "--list").stdout.splitlines()][0][0] == "revoked"
    locked.llamad.wait_node(name, "stale", timeout=10)

    assert agent_enrol(config, locked.enrol(name)).returncode == 0
    agent.send_signal(1)
    locked.llamad.wait_node(name, "online", timeout=10)


def test_the_rest_of_the_configuration_stays_as_it_is(shared, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("# mine\nnode: {name: old}\nmqtt: {broker: elsewhere, password: x, topics: [a]}\nalpaca: {labels: {room: attic}}\n")
    local = tmp_path / "config.local.yaml"
    local.write_text("mqtt: {username: old}\n")
    before = config.read_bytes(), local.read_bytes()
    assert agent_enrol(config, shared.enrol("pi-attic")).returncode == 0
    assert (config.read_bytes(), local.read_bytes()) == before
    shown = subprocess.run([AGENT, "--check", "-c", config], capture_output=True, text=True)
    assert shown.returncode == 0 and not shown.stderr, shown.stderr
    for line in ('node.name = "pi-attic"', 'mqtt.username = "pi-attic"', "mqtt.password = (not set)", 'mqtt.broker = "localhost"',
                 'alpaca.labels = {"room": "attic"}'):
        assert line in shown.stdout, line
    for path in tmp_path.glob("config.enrolled.*"):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert len(list(tmp_path.iterdir())) == 5
    # llamad, which may read the same file, is not enrolled by it.
    shown = subprocess.run([LLAMAD, "--check", "-c", config], capture_output=True, text=True).stdout
    assert 'mqtt.broker = "elsewhere"' in shown
    shared.revoke("pi-attic")


def test_service_of_a_package_may_read_what_root_wrote(shared, tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o750)
    try:
        __import__("os").chown(folder, 0, 12)
    except PermissionError:
        pytest.skip("needs root")
    folder.chmod(0o750)
    assert agent_enrol(folder / "config.yaml", shared.enrol("pi-etc"), "--no-check").returncode == 0
    files = list(folder.iterdir())
    assert len(files) == 4, "the configuration is made, where there is none"
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o640 and path.stat().st_gid == 12, path
    shared.revoke("pi-etc")


@pytest.mark.parametrize("change, text", [
    (lambda word: word[:300], "not whole, or was changed"),
    (lambda word: word + "A", "not whole, or was changed"),
    (lambda word: "hello", "does not begin with smc1-"),
    (lambda word: "", "does not begin with smc1-"),
    (lambda word: word[:80] + " " + word[80:], "has a space in it"),
])
def test_what_is_no_word_writes_nothing(shared, tmp_path, change, text):
    out = agent_enrol(tmp_path / "config.yaml", change(shared.enrol("pi-x")))
    assert out.returncode == 64 and text in out.stderr and out.stderr.count("\n") == 1, out
    assert not list(tmp_path.iterdir())


def test_whole_word_with_a_host_that_is_none_writes_nothing(tmp_path):
    word = whole_word(b"pi", b"secret", b"alpaca", b"8883", b"llama..lan", b"", b"n")
    out = agent_enrol(tmp_path / "config.yaml", word, "--no-check")
    assert out.returncode == 64 and "a host that none can be: llama..lan" in out.stderr, out
    assert not list(tmp_path.iterdir())


def test_word_may_come_by_standard_input(shared, tmp_path):
    assert agent_enrol(tmp_path / "config.yaml", "-", stdin=shared.enrol("pi-in") + "\n").returncode == 0
    assert yaml.safe_load((tmp_path / "config.enrolled.yaml").read_text())["node"]["name"] == "pi-in"


def test_enrolled_while_llamad_first_starts(stack, tmp_path):
    """One authority for both, and no account is lost."""
    state = Path(tempfile.mkdtemp(prefix="llamad-state-"))
    state.chmod(0o755)
    port, tls_port = free_port(), free_port()
    llamad = stack.llamad({"broker": {"run": True, "port": port, "tls": {"listen": "127.0.0.1", "port": tls_port}},
                           "cluster": {"state_dir": str(state)}}, broker_port=port, start=False)

    def enrol(name: str) -> str:
        out = subprocess.run([LLAMAD, "enrol", "-c", llamad.config_path, "--host", "localhost", name], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return re.search(r"smc1-\S+", out.stdout)[0]
    try:
        with ThreadPoolExecutor(4) as pool:
            words = pool.map(enrol, [f"pi-{n}" for n in range(8)])
            llamad.start()
            llamad.wait_broker()
            for n, word in enumerate(words):
                config = tmp_path / str(n) / "config.yaml"
                config.parent.mkdir()
                wait_until(lambda: agent_enrol(config, word).returncode == 0, 5, f"pi-{n} gets in", interval=0.2)
    finally:
        shutil.rmtree(state, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_who_forgot_sudo_is_told_and_changes_nothing_else():
    """As after the packages were installed: their folders are for root and the service."""
    home = Path(tempfile.mkdtemp(prefix="home-"))
    (home / ".smollama").mkdir()
    (home / ".smollama" / "config.yaml").write_text("node: {name: pi}\n")
    for path in (home, home / ".smollama"):
        os.chown(path, 65534, 65534)
    script = ("mount -t tmpfs -o mode=755 tmpfs /usr/local/etc && cd /usr/local/etc && mkdir -m 750 llamad alpaca-agent && "
              "echo > llamad/config.yaml && echo > alpaca-agent/config.yaml && cd / && "
              'exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$0" "$@"')

    def as_nobody(*command: object) -> subprocess.CompletedProcess:
        return subprocess.run(["unshare", "--mount", "sh", "-c", script, home, *command], capture_output=True, text=True, timeout=20)
    try:
        if as_nobody(AGENT, "--version").returncode:
            pytest.skip("nobody may run what was built here, or nothing may be mounted")
        out = as_nobody(LLAMAD, "enrol", "pi")
        assert out.returncode == 78 and "/usr/local/etc/llamad/config.yaml: cannot be read: Permission denied" in out.stderr, out
        word = whole_word(b"pi", b"secret", b"alpaca", b"1", b"localhost", b"", b"n")
        out = as_nobody(AGENT, "enrol", "--no-check", word)
        assert out.returncode == 1 and "Permission denied" in out.stderr and "/usr/local/etc/alpaca-agent/" in out.stderr, out
        assert [path.name for path in (home / ".smollama").iterdir()] == ["config.yaml"]
    finally:
        shutil.rmtree(home)


def test_refused_account_writes_nothing(shared, tmp_path):
    word = shared.enrol("pi-gone")
    shared.revoke("pi-gone")
    out = agent_enrol(tmp_path / "config.yaml", word)
    assert out.returncode == 1 and "Not authorized" in out.stderr and "Nothing was written" in out.stderr, out.stderr
    assert not list(tmp_path.iterdir())
    assert agent_enrol(tmp_path / "config.yaml", word, "--no-check").returncode == 0


def test_first_host_that_answers_is_taken(shared, tmp_path):
    word = shared.enrol("pi-hosts", "--host", "127.0.0.9", first=True)
    assert agent_enrol(tmp_path / "config.yaml", word).returncode == 0
    assert yaml.safe_load((tmp_path / "config.enrolled.yaml").read_text())["mqtt"]["broker"] == "localhost"


def test_services_get_an_account_and_no_word(shared):
    out = shared.run("enrol", "homeassistant")
    assert "smc1-" not in out.stdout and "user      homeassistant" in out.stdout and str(shared.ca) in out.stdout, out
    assert "homeassistant (service)" in shared.run("enrol", "--list").stdout


def test_password_is_not_kept_in_the_clear(shared):
    word = shared.enrol("pi-secret")
    password = shared.password_in(word)
    for path in shared.state.rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes(), path
    assert password not in shared.llamad.log


@pytest.mark.parametrize("args, status, text", [
    (["a:b"], 64, "contains ':'"), (["a/b"], 64, "contains /"), ([], 64, "NAME is missing"), (["a", "b"], 64, "unexpected argument b"),
    (["--port", "0", "a"], 64, "no port: 0"), (["--host", "a b", "a"], 64, "no name or address"),
    (["--revoke", "nobody"], 1, "nobody has no account"), (["--what"], 64, "unknown option"),
])
def test_what_is_wrong_is_said_in_one_line(shared, args, status, text):
    out = shared.run("enrol", *args)
    assert out.returncode == status and text in out.stderr and out.stderr.count("\n") == 1, out


@pytest.mark.parametrize("config, text", [
    ({"broker": {"run": True}}, "set broker.tls.listen"),
    ({"mqtt": {"broker": "llama.lan"}}, "broker.password_file"),
])
def test_broker_that_has_no_accounts_is_told(tmp_path, config, text):
    path = write_yaml(tmp_path / "llamad.yaml", {"cluster": {"state_dir": str(tmp_path / "state")}, **config})
    out = subprocess.run([LLAMAD, "enrol", "-c", path, "pi"], capture_output=True, text=True)
    assert out.returncode == 78 and text in out.stderr, out


def test_broker_that_llamad_does_not_run(tmp_path):
    accounts = tmp_path / "passwd"
    path = write_yaml(tmp_path / "llamad.yaml", {
        "cluster": {"state_dir": str(tmp_path / "state")}, "broker": {"password_file": str(accounts)}, "mqtt": {"broker": "llama.lan"}})

    def run(*args: str) -> subprocess.CompletedProcess:
        return subprocess.run([LLAMAD, "enrol", "-c", path, *args], capture_output=True, text=True)
    assert "which authority signed" in run("pi").stderr and not accounts.exists()
    out = run("--ca", "public", "pi")
    assert "(llama.lan, port 8883)" in out.stdout and "systemctl reload mosquitto" in out.stdout, out
    out = run("--plain", "pi")
    assert "port 1883" in out.stdout and "in the clear" in out.stdout
    assert accounts.read_text().startswith("pi:$7$")


@pytest.mark.skipif(bool(SANITIZER), reason="sanitizers must be loaded first")
def test_a_name_that_nobody_looks_up_does_not_hold_it_up(shared, tmp_path):
    library = tmp_path / "slow_names.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, ROOT / "tests" / "support" / "slow_names.c", "-ldl"], check=True)
    word = shared.enrol("pi-lost", "--host", "llama.slow", first=True)
    out = agent_enrol(tmp_path / "config.yaml", word, preload=library)  # gives up before the look-up does
    assert out.returncode == 0 and "gets in at the broker localhost" in out.stdout, out
