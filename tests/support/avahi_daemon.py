"""Debian's avahi-daemon, as scripts/bootstrap unpacked it: with a configuration and a /run of its own, without D-Bus.

    daemon = AvahiDaemon(folder, "workbench").start()   # in the network namespace of the caller
    daemon.wait_ready()
    daemon.resolve("host-kitchen.local")                # "10.77.0.2"
"""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support.processes import ROOT, Process
from tests.support.waiting import wait_until

UNPACKED = ROOT / "build" / "avahi-daemon"
PROGRAM = UNPACKED / "usr" / "sbin" / "avahi-daemon"
CONFIG = """[server]
host-name={host}
use-ipv6=no
enable-dbus=no
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=yes
"""


class AvahiDaemon(Process):
    def __init__(self, folder: Path, host: str):
        assert PROGRAM.exists(), f"{PROGRAM} is missing: run scripts/bootstrap test"
        libraries = ":".join(str(path) for part in ("usr/lib", "lib") for path in (UNPACKED / part).glob("*-linux-*"))
        config = folder / "avahi-daemon.conf"
        config.write_text(CONFIG.format(host=host))
        self.services = folder / "no services"
        super().__init__("avahi-daemon", [], folder, env={"LD_LIBRARY_PATH": libraries})
        self.host, self.config = host, config

    def publish(self, services: Path) -> None:
        """A folder of *.service files, as /etc/avahi/services holds them."""
        self.services = services

    def start(self) -> "AvahiDaemon":
        # Its paths are fixed: it gets a /run and an /etc of its own, and leaves the machine's alone.
        self.services.mkdir(exist_ok=True)
        script = 'mount -t tmpfs none /run && mkdir /run/avahi-daemon && ' \
                 'rm -rf etc && mkdir -p etc/avahi && cp -r "$1" etc/avahi/services && ' \
                 'echo "avahi:x:0:0::/:/bin/false" >etc/passwd && echo "avahi:x:0:" >etc/group && : >etc/resolv.conf && mount --bind etc /etc && ' \
                 'exec "$2" --file="$3" --no-drop-root --no-chroot --no-rlimits --debug'
        self.argv = [str(part) for part in ("unshare", "--mount", "sh", "-ec", script, "sh", self.services, PROGRAM,
                                            self.config)]
        super().start()
        return self

    def wait_ready(self, since: int = 0) -> None:
        """It has probed for its name, and has it."""
        line = self.wait_log("Server startup complete", timeout=10, since=since)
        assert f"{self.host}.local" in line, line

    def ask(self, line: str) -> str:
        """One question of its plain protocol; the first line of the answer."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(Path("/proc", str(self.pid), "root", "run", "avahi-daemon", "socket")))
            client.sendall(line.encode() + b"\n")
            answer = client.makefile("r", encoding="utf-8").readline()
        return answer.strip()

    def resolve(self, name: str) -> str | None:
        """The IPv4 address of a host name, by multicast DNS; None = nobody has it."""
        answer = self.ask(f"RESOLVE-HOSTNAME-IPV4 {name}").split()
        return answer[-1] if answer and answer[0] == "+" else None

    def wait_resolved(self, name: str, address: str) -> None:
        wait_until(lambda: self.resolve(name) == address, 10, f"avahi-daemon finds {name}")
