"""What a power cut leaves of a folder: from the calls that a program made (disk_log.c), every state that it may find.

The disk of this model promises what POSIX and the usual file systems do, and no more. A file's bytes are on it when an
fsync of the file has returned; names are, when an fsync of the folder has, and take effect in their order. Of what was not
waited for, all, a part or nothing may be there: names up to any one, and of each file's bytes none, all, half of
the last write, or its length without its content.
"""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("disk_log.c")


def build_disk_log(folder: Path) -> Path:
    library = folder / "disk_log.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl", "-lpthread"], check=True)
    return library


@dataclass
class File:
    """Its bytes as they are on the disk, and the changes since, as the program sees them."""

    durable: bytes = b""
    changes: list[bytes] = field(default_factory=list)  # the whole content after each

    @property
    def content(self) -> bytes:
        return self.changes[-1] if self.changes else self.durable

    def possible(self) -> list[bytes]:
        if not self.changes:
            return [self.durable]
        before = self.changes[-2] if len(self.changes) > 1 else self.durable
        last = self.changes[-1]
        found = [self.durable, last]
        if len(last) > len(before):
            half = len(before) + (len(last) - len(before)) // 2
            found += [last[:half], before + b"\0" * (len(last) - len(before)),
                      last[:half] + b"\0" * (len(last) - half)]
        return list(dict.fromkeys(found))


class Disk:
    """Replays a log; `states` is what may be found if the power went now."""

    def __init__(self, files: dict[str, bytes] | None = None):
        self.names = {name: File(content) for name, content in (files or {}).items()}
        self.durable_names = dict(self.names)
        self.pending: list[dict[str, File]] = []  # the names after each change that was not waited for
        self.open: dict[str, File] = {}

    def _renamed(self) -> None:
        self.pending.append(dict(self.names))

    def apply(self, line: str) -> None:
        call, *args = line.split()
        if call == "open":
            number, name, flags = args
            if name not in self.names:
                assert "c" in flags, line
                self.names[name] = File()
                self._renamed()
            self.open[number] = self.names[name]
        elif call == "write":
            file = self.open[args[0]]
            file.changes.append(file.content + bytes.fromhex(args[1]))
        elif call == "cut":
            file = self.open[args[0]]
            file.changes.append(file.content[:int(args[1])])
        elif call == "sync":
            file = self.open[args[0]]
            file.durable, file.changes = file.content, []
        elif call == "close":
            del self.open[args[0]]
        elif call == "syncdir":
            self.durable_names, self.pending = dict(self.names), []
        else:
            if call == "rename":
                self.names[args[1]] = self.names.pop(args[0])
            elif call == "link":
                self.names[args[1]] = self.names[args[0]]
            else:
                assert call == "unlink", line
                del self.names[args[0]]
            self._renamed()

    def states(self, ignore: str = ".tmp") -> list[dict[str, bytes]]:
        """Without duplicates; leftovers of files being written do not count."""
        found = {}
        for names in [self.durable_names, *self.pending]:
            kept = {name: file for name, file in names.items() if not name.endswith(ignore)}
            for contents in itertools.product(*(file.possible() for file in kept.values())):
                state = dict(zip(kept, contents))
                found[tuple(sorted(state.items()))] = state
        return list(found.values())
