"""HAProxy with a configuration of its own, unpacked by scripts/bootstrap."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.support.processes import ROOT, Process, listening
from tests.support.waiting import wait_until

ROOT_FOLDER = ROOT / "build" / "haproxy"
BINARY = ROOT_FOLDER / "usr" / "sbin" / "haproxy"


class Haproxy(Process):
    """Serves what `text` says; `port` is one of those it listens on."""

    expected_exit = -signal.SIGTERM

    def __init__(self, folder: Path, text: str, port: int):
        self.port = port
        config = folder / "haproxy.cfg"
        config.write_text(text)
        libraries = ":".join(str(path) for path in (ROOT_FOLDER / "usr" / "lib").glob("*-linux-*"))
        super().__init__("haproxy", [BINARY, "-db", "-f", config], folder, env={"LD_LIBRARY_PATH": libraries})

    def start(self) -> "Haproxy":
        super().start()
        wait_until(lambda: listening(self.port), 5, "haproxy listens")
        return self
