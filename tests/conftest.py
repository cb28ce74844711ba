"""Fixtures of all Python tests: a Stack per test and per module, logs on failure, a time limit for each test."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import AGENT, LLAMAD, SANITIZER
from tests.support.stack import Stack
from tests.support.waiting import stretched

DEFAULT_TIMEOUT_S = 60


def _run(folder: Path) -> Iterator[Stack]:
    stack = Stack(folder)
    yield stack
    problems = stack.close()
    if problems:
        logs = "\n".join(f"--- {title}\n{text}" for title, text in stack.logs())
        pytest.fail("\n".join(problems) + "\n" + logs, pytrace=False)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Processes, nodes and clients of one test; all ended, and their ends checked, after it."""
    yield from _run(tmp_path)


@pytest.fixture(scope="module")
def module_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The same for tests that only look, and may share what they look at."""
    yield from _run(tmp_path_factory.mktemp("module"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    integration = Path(__file__).parent / "integration"
    missing = [path for path in (AGENT, LLAMAD) if not path.exists()]
    for item in items:
        if missing and integration in item.path.parents:
            raise pytest.UsageError(f"not built: {', '.join(map(str, missing))} (set BUILD_DIR)")
        if SANITIZER and item.get_closest_marker("valgrind"):
            item.add_marker(pytest.mark.skip(reason="valgrind and sanitizers exclude each other"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("timeout")
    limit = stretched(marker.args[0] if marker else DEFAULT_TIMEOUT_S)

    def give_up(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"the test took more than {limit:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for name in ("stack", "module_stack"):
            if name in getattr(item, "funcargs", {}):
                report.sections += [(f"log of {title}", text) for title, text in item.funcargs[name].logs()]
