"""What both programs tell systemd, and what their units allow them."""

import re
import shutil
import signal
import subprocess
import time

import pytest

from tests.support.processes import BUILD_DIR, free_port
from tests.support.service_manager import ServiceManager


@pytest.fixture
def manager(tmp_path):
    with ServiceManager(tmp_path) as made:
        yield made


def test_llamad_tells_how_it_is(stack, manager):
    llamad = stack.llamad(env=manager.env())
    stack.fake_agent("pi-a").come_alive()
    llamad.wait_node("pi-a", "online")
    manager.wait("READY=1")
    manager.wait("STATUS=broker connected; 1 node: 1 online")
    llamad.send_signal(signal.SIGHUP)
    manager.wait("RELOADING=1")
    manager.wait("MONOTONIC_USEC=…")
    manager.wait("READY=1", times=2)
    llamad.send_signal(signal.SIGTERM)
    manager.wait("STOPPING=1")
    llamad.wait_exit()
    heard = [line for line in manager.hear() if line.endswith("=1")]
    assert heard == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_llamad_is_ready_without_a_broker(stack, manager):
    stack.llamad(broker_port=free_port(), env=manager.env())
    manager.wait("READY=1")
    manager.wait("STATUS=broker not connected; 0 nodes")


def test_agent_tells_how_it_is(stack, manager):
    node = stack.node("kitchen")
    agent = stack.agent(node, env=manager.env())
    manager.wait("READY=1")
    manager.wait(f"STATUS=node {node.name}; broker 127.0.0.1:{stack.broker_port} connected")
    node.stop()
    manager.wait(f"STATUS=node {node.name}; broker 127.0.0.1:{stack.broker_port} connected; Smollama is not usable")
    agent.send_signal(signal.SIGHUP)
    manager.wait("RELOADING=1")
    manager.wait("READY=1", times=2)
    agent.send_signal(signal.SIGTERM)
    manager.wait("STOPPING=1")
    agent.wait_exit()


def test_agent_is_ready_without_a_broker(stack, manager):
    port = free_port()
    stack.agent("pi-b", {"alpaca": {"source": "system"}}, broker_port=port, env=manager.env())
    manager.wait("READY=1")
    manager.wait(f"STATUS=node pi-b; broker 127.0.0.1:{port} not connected: …")


@pytest.mark.parametrize("program", ["llamad", "agent"])
def test_watchdog_is_fed_only_while_the_loop_turns(stack, manager, program):
    env = manager.env(watchdog_s=0.2)
    if program == "llamad":
        process = stack.llamad(env=env)
    else:
        process = stack.agent("pi-c", {"alpaca": {"source": "system"}}, env=env)
    manager.wait("WATCHDOG=1", times=3)
    process.pause()
    try:
        manager.hear().clear()
        time.sleep(0.5)  # nothing can be waited for: silence is what is looked for
        manager.hear().clear()
        time.sleep(0.5)
        assert manager.hear() == []
    finally:
        process.resume()
    manager.wait("WATCHDOG=1")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze (package systemd)")
@pytest.mark.parametrize("unit", ["llamad", "alpaca-agent"])
class TestUnit:
    """The unit as it is installed; only its program is replaced, since systemd wants one that exists."""

    def analyze(self, folder, unit, *arguments):
        prefix = folder / "prefix"
        subprocess.run(["cmake", "--install", BUILD_DIR, "--prefix", prefix], check=True, capture_output=True)
        path = prefix / "lib" / "systemd" / "system" / f"{unit}.service"
        assert f"ExecStart={prefix}/bin/{unit} -c {prefix}/etc/{unit}/config.yaml" in path.read_text()
        return subprocess.run(["systemd-analyze", *arguments, path], capture_output=True, text=True, check=False)

    def test_has_no_mistakes(self, tmp_path, unit):
        done = self.analyze(tmp_path, unit, "verify", "--man=no")
        about_us = [line for line in done.stderr.splitlines() if unit in line]
        assert done.returncode == 0 and not about_us, done.stderr

    def test_is_locked(self, tmp_path, unit):
        done = self.analyze(tmp_path, unit, "security", "--offline=yes", "--no-pager", "--threshold=20")
        exposure = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
        assert exposure, done.stdout + done.stderr
        assert done.returncode == 0 and float(exposure[1]) <= 2.0, done.stdout
