"""Debian's Prometheus, as scripts/bootstrap unpacked it: promtool, and a server on loopback with a configuration of its own.

    promtool("check", "metrics", stdin=body)             # fails with what it says
    prometheus = Prometheus(folder, llamad.port).start()
    prometheus.wait_ready()
    prometheus.query('smollama_node_up{node="pi-a"}')   # [{"metric": {…}, "value": [time, "1"]}]
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from tests.support.http_client import Http
from tests.support.processes import ROOT, Process, free_port
from tests.support.waiting import wait_until

PROGRAMS = ROOT / "build" / "prometheus" / "usr" / "bin"
WHY_IMPOSSIBLE = None if (PROGRAMS / "prometheus").exists() else "scripts/bootstrap test could not unpack prometheus"


def promtool(*arguments: str | Path, stdin: bytes = b"") -> str:
    """What it printed."""
    done = subprocess.run([PROGRAMS / "promtool", *arguments], input=stdin, capture_output=True, timeout=60)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, f"promtool {' '.join(map(str, arguments))}: {said}"
    return said


class Prometheus(Process):
    """Scrapes one target once a second."""

    def __init__(self, folder: Path, target_port: int):
        self.port = free_port()
        self.http = Http("127.0.0.1", self.port)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "llamad", "static_configs": [{"targets": [f"127.0.0.1:{target_port}"]}]}]}))
        super().__init__("prometheus", [
            PROGRAMS / "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}"], folder)

    def query(self, expression: str) -> list[dict]:
        answer = self.http.get("/api/v1/query", query=expression)
        said = json.loads(answer.body)
        assert said["status"] == "success", said
        return said["data"]["result"]

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.alive, self.log
            try:
                return self.http.get("/-/ready").status == 200
            except OSError:
                return False
        wait_until(ready, 30, "prometheus is ready")
