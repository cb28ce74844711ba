"""nginx with a configuration of its own, unpacked by scripts/bootstrap."""

from __future__ import annotations

from pathlib import Path

from tests.support.processes import ROOT, Process, listening
from tests.support.waiting import wait_until

BINARY = ROOT / "build" / "nginx" / "usr" / "sbin" / "nginx"


class Nginx(Process):
    """Serves what `block` (server and map blocks) says; `port` is one of those it listens on."""

    def __init__(self, folder: Path, block: str, port: int):
        self.port = port
        root = folder / "nginx"
        root.mkdir(parents=True, exist_ok=True)
        paths = "\n".join(f"    {kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = root / "nginx.conf"
        config.write_text(f"daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log stderr warn;\nevents {{}}\n"
                          f"http {{\n{paths}\n    access_log off;\n{block}\n}}\n")
        super().__init__("nginx", [BINARY, "-p", root, "-c", config, "-e", "stderr"], folder)

    def start(self) -> "Nginx":
        super().start()
        wait_until(lambda: listening(self.port), 5, "nginx listens")
        return self
