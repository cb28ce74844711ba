"""Network namespaces of a test's own: two machines on one wire, made without a trace on the host.

    with Lan() as lan:           # the caller's thread, and what it starts, is now on the machine `here`
        lan.here, lan.there      # namespaces; "10.77.0.1" and "10.77.0.2" … "10.77.0.9"
        lan.there.run(function)  # runs in a thread over there: sockets made in it belong there for good
        lan.cut(), lan.mend()    # the wire

A namespace lives as long as its descriptor, so nothing is left behind, however the test ends.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
HERE = "10.77.0.1"
THERE = [f"10.77.0.{host}" for host in range(2, 10)]

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _own_namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(descriptor: int) -> None:
    _checked(_libc.setns(descriptor, CLONE_NEWNET), "setns")


def _in_thread(function: Callable[[], T]) -> T:
    """Runs it in a thread of its own, whose namespace ends with it."""
    outcome: list = []

    def body() -> None:
        try:
            outcome.append((function(), None))
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            outcome.append((None, error))
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def why_impossible() -> str | None:
    """None where namespaces can be made; else the reason, for a skip."""
    def attempt() -> None:
        _checked(_libc.unshare(CLONE_NEWNET), "unshare")
        subprocess.run(["ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"], check=True,
                       capture_output=True)
    try:
        _in_thread(attempt)
    except FileNotFoundError:
        return "no `ip` command (package iproute2)"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces cannot be made here ({error}); run as root"
    return None


class Namespace:
    """One machine's network, with its loopback up."""

    def __init__(self) -> None:
        def make() -> int:
            _checked(_libc.unshare(CLONE_NEWNET), "unshare")
            return _own_namespace()
        self.descriptor = _in_thread(make)
        self.ip("link", "set", "lo", "up")

    def run(self, function: Callable[[], T]) -> T:
        def inside() -> T:
            _enter(self.descriptor)
            return function()
        return _in_thread(inside)

    def ip(self, *arguments: str) -> str:
        """The `ip` command over there."""
        def command() -> str:
            done = subprocess.run(["ip", *arguments], capture_output=True, text=True, pass_fds=(), check=False)
            assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
            return done.stdout
        return self.run(command)

    def close(self) -> None:
        os.close(self.descriptor)


class Lan:
    def __init__(self) -> None:
        self.here, self.there = Namespace(), Namespace()
        self.before = -1
        self._wire()

    def _wire(self) -> None:
        path = f"/proc/{os.getpid()}/fd/{self.there.descriptor}"
        self.here.ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire1", "netns", path)
        self.here.ip("address", "add", f"{HERE}/24", "dev", "wire0")
        for address in THERE:
            self.there.ip("address", "add", f"{address}/24", "dev", "wire1")
        self.mend()
        self.there.ip("link", "set", "wire1", "up")

    def second_wire(self) -> str:
        """Another network between the two, with new interfaces on both; the address there."""
        path = f"/proc/{os.getpid()}/fd/{self.there.descriptor}"
        self.here.ip("link", "add", "late0", "type", "veth", "peer", "name", "late1", "netns", path)
        self.here.ip("address", "add", "10.78.0.1/24", "dev", "late0")
        self.there.ip("address", "add", "10.78.0.2/24", "dev", "late1")
        self.here.ip("link", "set", "late0", "up")
        self.there.ip("link", "set", "late1", "up")
        return "10.78.0.2"

    def cut(self) -> None:
        self.here.ip("link", "set", "wire0", "down")

    def mend(self) -> None:
        self.here.ip("link", "set", "wire0", "up")

    def __enter__(self) -> "Lan":
        self.before = _own_namespace()
        _enter(self.here.descriptor)
        return self

    def __exit__(self, *_details: object) -> None:
        _enter(self.before)
        os.close(self.before)
        self.here.close()
        self.there.close()
