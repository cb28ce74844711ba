"""The service manager's end of sd_notify(3): hears what a program tells it.

    with ServiceManager(folder) as manager:
        agent = stack.agent(node, env=manager.env(watchdog_s=0.4))
        manager.wait("READY=1")
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.support.waiting import wait_until


class ServiceManager:
    def __init__(self, folder: Path):
        # Not `folder`: the address of a socket has at most 107 bytes.
        self.address = f"@test-{os.getpid()}-{folder.name}"[:100]
        self.messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind("\0" + self.address[1:])

    def env(self, watchdog_s: float | None = None) -> dict[str, str]:
        """For the program. WATCHDOG_PID is left out, since it is not known before the start."""
        env = {"NOTIFY_SOCKET": self.address}
        if watchdog_s is not None:
            env["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        return env

    def hear(self) -> list[str]:
        """All lines so far, in order."""
        while True:
            try:
                self.messages += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.messages

    def wait(self, line: str, timeout: float = 10.0, times: int = 1) -> None:
        """Until the line, or one that begins like it if it ends in …, was heard so often."""
        def matches(heard: str) -> bool:
            return heard.startswith(line[:-1]) if line.endswith("…") else heard == line

        def check() -> bool:
            count = sum(map(matches, self.hear()))
            assert count >= times, f"{line!r} was heard {count} times, {times} wanted; heard: {self.messages}"
            return True
        wait_until(check, timeout, f"{line} from the program")

    def __enter__(self) -> ServiceManager:
        return self

    def __exit__(self, *_details: object) -> None:
        self._socket.close()
