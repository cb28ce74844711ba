"""A mosquitto that llamad does not run, locked as broker-config/README.md says; and mutual TLS at llamad's own."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.fake_agent import FakeAgent
from tests.support.locked_broker import LockedBroker
from tests.support.processes import AGENT, LLAMAD, ROOT, Process, free_port, listening, write_yaml
from tests.support.tls import Authority
from tests.support.waiting import hold, wait_until


class SystemBroker:
    """/etc/mosquitto in a folder, made from the README's own lines."""

    def __init__(self, stack, folder: Path):
        self.stack, self.folder = stack, folder
        self.port, self.tls_port = free_port(), free_port()
        self.passwords = folder / "smollama.passwd"
        folder.mkdir()
        self.passwords.touch()
        folder.joinpath("smollama.acl").write_text((ROOT / "broker-config" / "acl").read_text())
        self.config = write_yaml(folder / "llamad.yaml", {
            "mqtt": {"broker": "localhost", "port": self.port}, "cluster": {"state_dir": str(folder / "state")},
            "broker": {"password_file": str(self.passwords)}})
        self.llamad("certs", "--dir", folder / "certs")
        readme = (ROOT / "broker-config" / "README.md").read_text()
        lines = re.search(r"listener\.conf`:\n\n```\n(.*?)```", readme, re.S).group(1)
        lines = lines.replace("/etc/mosquitto", str(folder)).replace("1883", str(self.port)).replace("8883", str(self.tls_port))
        conf = folder / "mosquitto.conf"
        conf.write_text(lines + (ROOT / "broker-config" / "mosquitto.conf").read_text() + "user root\n")
        self.process = Process("system-mosquitto", ["/usr/sbin/mosquitto", "-c", conf], folder)
        stack.processes.append(self.process)
        self.process.start()
        wait_until(lambda: listening(self.tls_port), 5, "it listens")

    def llamad(self, command: str, *args: object) -> str:
        options = [] if command == "certs" else ["-c", self.config]
        out = subprocess.run([LLAMAD, command, *options, *map(str, args)], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return out.stdout

    def enrol(self, name: str) -> str:
        out = self.llamad("enrol", "--ca", self.folder / "certs" / "ca.crt", "--host", "localhost", "--port", self.tls_port, name)
        assert "sudo systemctl reload mosquitto" in out
        self.process.send_signal(signal.SIGHUP)
        return out


@pytest.fixture
def system(stack, tmp_path):
    return SystemBroker(stack, tmp_path / "mosquitto")


def test_llamad_and_a_node_by_their_accounts(stack, system, tmp_path):
    """llamad does all that it does, Home Assistant's part and forgetting included, and nothing is refused to it."""
    out = system.enrol("llamad")
    password = re.search(r"password  (\S+)", out).group(1)
    llamad = stack.llamad({"mqtt": {"broker": "localhost", "port": system.tls_port, "username": "llamad", "password": password,
                                    "tls": {"ca": str(system.folder / "certs" / "ca.crt")}}}, broker_port=system.tls_port)
    llamad.wait_broker()
    word = next(part for part in system.enrol("pi-kitchen").split() if part.startswith("smc1-"))
    config = write_yaml(tmp_path / "pi" / "config.yaml", {"alpaca": {"source": "system", "heartbeat_interval": 1}})

    def enrolled() -> bool:
        return subprocess.run([AGENT, "enrol", "-c", config, word], capture_output=True).returncode == 0
    wait_until(enrolled, 5, "the broker has read its accounts")
    agent = Process("agent", [AGENT, "-c", config], tmp_path)
    stack.processes.append(agent)
    agent.start()
    llamad.wait_node("pi-kitchen", "online", via="mqtt")
    seen = stack.mqtt_client("llama/#", "homeassistant/#", port=system.port)
    seen.wait_for("llama/pi-kitchen/state")
    seen.wait_for("homeassistant/device/alpaca/+/config")
    assert llamad.http.request("POST", "/api/cluster/nodes/pi-kitchen/refresh").status == 202
    agent.stop()
    llamad.wait_node("pi-kitchen", "unreachable")
    assert llamad.http.request("DELETE", "/api/cluster/nodes/pi-kitchen?confirm=pi-kitchen").status == 204
    wait_until(lambda: "pi-kitchen" not in llamad.nodes(), 5, "it is forgotten")
    left = stack.mqtt_client("alpaca/pi-kitchen/+", port=system.port)
    hold(lambda: not left.messages(), 0.3, "nothing is left of it at the broker")
    assert llamad.health()["mqtt_refused"] == 0 and "refused" not in llamad.log
    assert "refused" not in agent.log


def test_node_is_cut_off_when_mosquitto_reads_its_accounts(stack, system):
    word = next(part for part in system.enrol("pi-a").split() if part.startswith("smc1-"))
    password = LockedBroker.password_in(None, word)
    client = wait_until(lambda: stack.mqtt_client(port=system.tls_port, username="pi-a", password=password,
                                                  ca=system.folder / "certs" / "ca.crt"), 5, "it gets in")
    system.llamad("enrol", "--revoke", "pi-a")
    system.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not client.connected, 2, "it is cut off")


def test_mutual_tls_at_llamads_own_broker(stack, tmp_path):
    clients = Authority(tmp_path / "clients")
    locked = LockedBroker(stack, tls={"client_ca": str(clients.cert)})
    try:
        password = locked.password_in(locked.enrol("pi-a"))
        with pytest.raises((ConnectionRefusedError, OSError, AssertionError)):
            locked.client("pi-a", password)
        agent = FakeAgent(locked.client("pi-a", password, cert=clients.server("pi-a")), "pi-a").come_alive()
        locked.llamad.wait_node("pi-a", "online")
        agent.mqtt.close()
        wait_until(lambda: locked.llamad.health()["broker"]["child"]["troubles"]["tls_failed"] >= 1, 3, "it is counted")
    finally:
        locked.close()
