"""A llamad whose own broker listens with TLS for those who have an account, and clients of it."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.mqtt_client import MqttClient
from tests.support.processes import LLAMAD, Llamad, free_port
from tests.support.stack import Stack


class LockedBroker:
    """Anonymous on `port` of loopback, accounts on `tls_port`; `llamad` runs it."""

    def __init__(self, stack: Stack, config: dict | None = None, tls: dict | None = None):
        self.stack = stack
        self.port, self.tls_port = free_port(), free_port()
        #: Outside pytest's own folder, which only root may enter: the broker runs as another user then.
        self.state = Path(tempfile.mkdtemp(prefix="llamad-state-"))
        self.state.chmod(0o755)
        self.llamad: Llamad = stack.llamad(
            {"broker": {"run": True, "port": self.port,
                        "tls": {"listen": "127.0.0.1", "port": self.tls_port, **(tls or {})}},
             "cluster": {"state_dir": str(self.state)}, **(config or {})}, broker_port=self.port)
        self.llamad.wait_broker()
        self.ca = self.state / "certs" / "ca.crt"
        self.accounts = self.state / "broker" / "passwd"

    def enrol(self, name: str, *options: str, first: bool = False) -> str:
        """The word for the node (a service's password), once the broker knows the account."""
        mark = self.llamad.log_mark()
        out = self.run("enrol", *(options if first else ()), "--host", "localhost", *(() if first else options), name)
        assert out.returncode == 0, out.stderr
        self.llamad.wait_log("mosquitto reads them again", since=mark)
        return re.search(r"(smc1-\S+|password  \S+)", out.stdout).group(1).removeprefix("password").strip()

    def revoke(self, name: str) -> None:
        """Returns when the broker knows."""
        mark = self.llamad.log_mark()
        out = self.run("enrol", "--revoke", name)
        assert out.returncode == 0, out.stderr
        self.llamad.wait_log("mosquitto reads them again", since=mark)

    def password_in(self, word: str) -> str:
        raw = base64.urlsafe_b64decode(word.removeprefix("smc1-") + "===")
        return raw.split(b"\0")[1].decode()

    def add(self, *names: str) -> dict[str, str]:
        """Accounts; their passwords, once the broker knows them."""
        words = {name: self.enrol(name) for name in names}
        return {name: self.password_in(word) if word.startswith("smc1-") else word for name, word in words.items()}

    def client(self, name: str, password: str, *topics: str, client_id: str = "", **options: object) -> MqttClient:
        return self.stack.mqtt_client(*topics, port=self.tls_port, username=name, password=password,
                                      client_id=client_id or f"alpaca-{name}", ca=self.ca, **options)

    def run(self, *args: str) -> subprocess.CompletedProcess:
        """llamad's own subcommands, with its configuration."""
        return subprocess.run([LLAMAD, args[0], "-c", self.llamad.config_path, *args[1:]], capture_output=True, text=True,
                              timeout=20)

    def close(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)
