"""A machine of a test's own: this one's root with a writable layer over it, its own host name, mounts and network.

What is installed there is not installed here. There is no systemd as process 1: `start_unit` does by hand what the
unit says about the command, the user, the state folder and readiness, without the unit's other restrictions.

The mounts live in a namespace that ends with its one process, so nothing is left behind, however the test ends.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tests.support.netns import Namespace
from tests.support.service_manager import ServiceManager
from tests.support.waiting import stretched

SET_UP = r"""
set -e
hostname "$2"
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root
for folder in dev sys; do mount --rbind "/$folder" "root/$folder"; done
mount -t proc proc root/proc
for folder in run tmp; do mount -t tmpfs -o mode=1777 tmpfs "root/$folder"; done
rm -rf root/etc/llamad root/etc/alpaca-agent root/var/lib/llamad  # of what ran on this machine
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$2" > root/etc/hosts
echo "$2" > root/etc/hostname
: > root/etc/resolv.conf
echo ready
exec cat
"""


def why_impossible() -> str | None:
    """None where such machines can be made; else the reason, for a skip."""
    if os.geteuid() != 0:
        return "needs root"
    probe = ("d=$(mktemp -d) && mount -t tmpfs tmpfs $d && mkdir $d/u $d/w $d/r && "
             "mount -t overlay overlay -o lowerdir=/,upperdir=$d/u,workdir=$d/w $d/r; e=$?; umount -l $d; rmdir $d; exit $e")
    done = subprocess.run(["unshare", "--mount", "--uts", "sh", "-c", probe], capture_output=True, text=True, check=False)
    return f"no overlay of this machine's root can be mounted ({done.stderr.strip()})" if done.returncode else None


class Machine:
    def __init__(self, folder: Path, name: str, network: Namespace | None = None):
        self.name, self.folder = name, folder / name
        self.folder.mkdir()
        self._units: dict[str, subprocess.Popen] = {}
        self.network = network
        self._holder = self._spawn(["unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c", SET_UP, "sh",
                                    self.folder, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout.readline() == b"ready\n", f"{name}: the mounts failed"

    def _spawn(self, argv: list, **options: object) -> subprocess.Popen:
        def start() -> subprocess.Popen:
            return subprocess.Popen(argv, **options)
        return self.network.run(start) if self.network else start()

    def _inside(self, argv: list) -> list:
        namespaces = ["-m", "-u", "-n"] if self.network else ["-m", "-u"]
        return ["nsenter", "-t", str(self._holder.pid), *namespaces, "chroot", self.folder / "root", *argv]

    # --- commands ---

    def run(self, command: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess:
        """A line for a shell, as root."""
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(self._inside(["sh", "-c", command]), env=env, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=stretched(timeout), check=False)
        if check:
            assert done.returncode == 0, f"{self.name}: {command}\n{done.stdout}{done.stderr}"
        return done

    def output(self, command: str) -> str:
        return self.run(command).stdout.strip()

    def exists(self, path: str) -> bool:
        return self.run(f"test -e {shlex.quote(path)}", check=False).returncode == 0

    def put(self, source: Path, folder: str = "/root") -> str:
        """Copies a file there; its path."""
        target = f"{folder}/{source.name}"
        subprocess.run(self._inside(["sh", "-c", f"cat > {shlex.quote(target)}"]), input=source.read_bytes(), check=True)
        return target

    def changed(self) -> set[str]:
        """Every file that is not as on this machine, or not there at all."""
        listing = subprocess.run(["nsenter", "-t", str(self._holder.pid), "-m", "find", self.folder / "upper", "-type", "f,l",
                                  "-printf", "/%P\n"], capture_output=True, text=True, check=True)
        return set(listing.stdout.split("\n")) - {""}

    # --- services ---

    def unit(self, unit: str) -> dict[str, str]:
        """The settings of an installed unit; of repeated ones the last."""
        text = self.output(f"cat /usr/lib/systemd/system/{unit}.service")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))

    def start_unit(self, unit: str) -> None:
        settings = self.unit(unit)
        if "StateDirectory" in settings:
            self.run(f"install -d -m {settings['StateDirectoryMode']} -o {settings['User']} -g {settings['Group']} "
                     f"/var/lib/{settings['StateDirectory']}")
        argv = ["setpriv", f"--reuid={settings['User']}", f"--regid={settings['Group']}", "--clear-groups", "--no-new-privs",
                "--bounding-set=-all", "--inh-caps=-all", *shlex.split(settings["ExecStart"])]
        make_manager = lambda: ServiceManager(self.folder.parent / f"{self.name}-{unit}")  # noqa: E731
        with (self.network.run(make_manager) if self.network else make_manager()) as manager:
            with (self.folder.parent / f"{self.name}-{unit}.log").open("ab") as log:
                self._units[unit] = self._spawn(self._inside(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **manager.env()})
            manager.wait("READY=1")

    def stop_unit(self, unit: str) -> int:
        process = self._units.pop(unit)
        process.terminate()
        return process.wait(stretched(5))

    def restart_unit(self, unit: str) -> None:
        if unit in self._units:
            self.stop_unit(unit)
        self.start_unit(unit)

    def unit_runs(self, unit: str) -> bool:
        return unit in self._units and self._units[unit].poll() is None

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')}"
                         for path in sorted(self.folder.parent.glob(f"{self.name}-*.log")))

    def close(self) -> None:
        for unit in list(self._units):
            try:
                self.stop_unit(unit)
            except subprocess.TimeoutExpired:
                pass
        self._holder.stdin.close()
        self._holder.wait(stretched(5))

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()
