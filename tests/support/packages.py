"""The Debian packages that scripts/package made."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from tests.support.processes import ROOT

FOLDER = ROOT / "build" / "packages"
NAMES = ("llamad", "alpaca-agent")


def own_architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def find(name: str, architecture: str | None = None) -> Path | None:
    found = sorted(FOLDER.glob(f"{name}_*_{architecture or own_architecture()}.deb"))
    return found[-1] if found else None


def why_missing(architecture: str | None = None) -> str | None:
    """None where both packages are there; else the reason, for a skip."""
    missing = [name for name in NAMES if not find(name, architecture)]
    wanted = f"scripts/package {architecture}" if architecture else "scripts/package"
    return f"{' and '.join(missing)}: not made ({wanted})" if missing else None


class Package:
    """What is in one, without installing it."""

    def __init__(self, path: Path):
        self.path = path
        self.control = self._tar("--ctrl-tarfile")
        self.files = self._tar("--fsys-tarfile")
        text = self.read(self.control, "./control").decode()
        self.fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and not line.startswith(" "))
        self.description = text.split("Description: ", 1)[1].split("\nMaintainer", 1)[0]

    def _tar(self, which: str) -> tarfile.TarFile:
        data = subprocess.run(["dpkg-deb", which, self.path], capture_output=True, check=True).stdout
        return tarfile.open(fileobj=BytesIO(data))

    @staticmethod
    def read(tar: tarfile.TarFile, name: str) -> bytes:
        return tar.extractfile(name).read()

    def file(self, path: str) -> bytes:
        return self.read(self.files, f".{path}")

    def members(self) -> dict[str, tarfile.TarInfo]:
        return {member.name[1:] or "/": member for member in self.files}
