"""scripts/demo, without its set-up and build: the README's first command."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import BUILD_DIR, ROOT, Process, free_port
from tests.support.waiting import wait_until


@pytest.fixture
def demo(tmp_path: Path):
    process = Process("demo", [sys.executable, ROOT / "scripts" / "demo.py", "--port", str(free_port())], tmp_path,
                      env={"BUILD_DIR": str(BUILD_DIR), "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"})
    process.start()
    yield process
    problems = process.finish()
    assert not problems, process.log


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def running(pids: list[int]) -> list[int]:
    def alive(pid: int) -> bool:
        try:
            return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False
    return [pid for pid in pids if alive(pid)]


def descendants(pid: int) -> list[int]:
    children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [deeper for child in children for deeper in descendants(child)]


def test_demo_shows_three_nodes_whose_values_move_and_ends_whole(demo: Process, tmp_path: Path) -> None:
    line = demo.wait_log("Dashboard:", 30)
    address = re.search(r"http://\S+[^/\s]", line).group(0)
    demo.wait_log("Ctrl-C", 5)

    nodes = get(f"{address}/api/cluster/nodes")["nodes"]
    assert sorted(node["type"] for node in nodes) == ["alpaca", "alpaca", "llama"]
    assert {node["status"] for node in nodes} == {"online"}
    with urllib.request.urlopen(f"{address}/", timeout=5) as page:
        assert page.headers["Content-Type"].startswith("text/html")

    def temperature() -> object:
        query = "node=pi-kitchen&source=system:cpu_temp"
        return get(f"{address}/api/cluster/readings?{query}")["readings"][0]["value"]
    first = wait_until(temperature, 20, "the kitchen's temperature is there")
    wait_until(lambda: temperature() != first, 20, "the kitchen's temperature moves")

    pids = descendants(demo.pid)
    assert len(pids) >= 7  # llamad, mosquitto, three agents, two replayed nodes
    demo.send_signal(signal.SIGINT)
    assert demo.wait_exit(20) == 0, demo.log
    wait_until(lambda: not running(pids), 5, "everything has ended")
    assert not [name for name in os.listdir(tmp_path) if name.startswith("smollama-cluster-demo")]
