"""Polling with deadlines. Nothing sleeps blindly: what must happen is awaited, what must not is watched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Sanitizers and valgrind make everything slower; every time limit of a test is stretched by this.
STRETCH = float(os.environ.get("TEST_STRETCH", "1"))


def set_stretch(factor: float) -> None:
    global STRETCH
    STRETCH = max(STRETCH, factor)


def stretched(seconds: float) -> float:
    return seconds * STRETCH


def wait_until(predicate: Callable[[], T], timeout: float, what: str, interval: float = 0.03) -> T:
    """The first true result of `predicate`; fails naming `what` (and the last error seen) after `timeout` seconds."""
    deadline = time.monotonic() + stretched(timeout)
    error: Exception | None = None
    while True:
        try:
            result = predicate()
            error = None
            if result:
                return result
        except (AssertionError, KeyError, IndexError, TypeError, OSError, ValueError) as caught:
            error = caught
        if time.monotonic() > deadline:
            detail = f"; last error: {type(error).__name__}: {error}" if error else ""
            raise AssertionError(f"{what}: not within {stretched(timeout):.1f} s{detail}")
        time.sleep(interval)


def hold(predicate: Callable[[], object], seconds: float, what: str, interval: float = 0.05) -> None:
    """Watches for `seconds` that `predicate` stays true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert predicate(), f"{what}: no longer so {seconds - (deadline - time.monotonic()):.1f} s in"
        time.sleep(interval)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start
