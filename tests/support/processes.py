"""Real programs under test: started with generated configuration, awaited, observed, and ended by pid.

Environment: BUILD_DIR (default build/dev) holds the binaries; TEST_STRETCH multiplies every time limit.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import urllib.parse
from pathlib import Path

import yaml

from tests.support import waiting
from tests.support.http_client import Http
from tests.support.live_client import LiveClient
from tests.support.waiting import stretched, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD_DIR = (ROOT / os.environ.get("BUILD_DIR", "build/dev")).resolve()
LLAMAD = BUILD_DIR / "llama" / "llamad"
AGENT = BUILD_DIR / "alpaca-agent" / "alpaca-agent"
WEB_DIST = ROOT / "web" / "dist"
#: Also the sanitizers' exit codes: any of these lines in a log fails the test.
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer")
STOP_S = 2.0
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def _sanitizer() -> str:
    cache = BUILD_DIR / "CMakeCache.txt"
    if not cache.exists():
        return ""
    lines = cache.read_text().splitlines()
    return next((line.split("=", 1)[1] for line in lines if line.startswith("SANITIZE:")), "")


SANITIZER = _sanitizer()
if SANITIZER:
    waiting.set_stretch(3.0)


def free_port() -> int:
    """A port nobody listens on, below the range from which outgoing connections take theirs.

    Each worker of pytest-xdist has ports of its own, so that two never pick the same one at the same time.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
    while True:
        port = 20000 + 1500 * worker + random.randrange(1500)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def listening(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _environment(extra: dict[str, str] | None) -> dict[str, str]:
    """The caller's environment without what would steer our programs, and with the sanitizers made strict."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("SMOLLAMA_", "LLAMAD_", "ALPACA_")) and not k.lower().endswith("_proxy")}
    env["ASAN_OPTIONS"] = "detect_leaks=1:halt_on_error=1:exitcode=99:detect_stack_use_after_return=1"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1:exitcode=98"
    env["TSAN_OPTIONS"] = f"exitcode=97:halt_on_error=0:suppressions={ROOT / 'tests' / 'tsan.supp'}"
    lsan = ROOT / "tests" / "lsan.supp"
    if lsan.exists():
        env["LSAN_OPTIONS"] = f"suppressions={lsan}:print_suppressions=0"
    env.update(extra or {})
    return env


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Process:
    """One child process; output of both streams goes to `log_path`."""

    expected_exit = 0

    def __init__(self, name: str, argv: list[str | Path], folder: Path, env: dict[str, str] | None = None,
                 wrapper: list[str] | None = None):
        self.name = name
        self.argv = [os.fspath(part) for part in (wrapper or []) + list(argv)]
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log_path = folder / f"{name}.log"
        self.env = env
        self.process: subprocess.Popen | None = None
        self.killed = False

    def start(self) -> "Process":
        assert not self.alive, f"{self.name} runs already"
        self.killed = False
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder, env=_environment(self.env), preexec_fn=_die_with_parent)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_mark(self) -> int:
        """A position for `log_since`."""
        return len(self.log)

    def log_since(self, mark: int) -> str:
        return self.log[mark:]

    def wait_log(self, text: str, timeout: float = 5.0, since: int = 0) -> str:
        """The first log line that holds `text`, case ignored."""
        def find() -> str | None:
            return next((line for line in self.log[since:].splitlines() if text.lower() in line.lower()), None)
        return wait_until(find, timeout, f"{self.name} logs {text!r}")

    def wait_exit(self, timeout: float = 5.0) -> int:
        assert self.process is not None
        try:
            return self.process.wait(stretched(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {stretched(timeout):.1f} s") from None

    def send_signal(self, number: int) -> None:
        assert self.alive, f"{self.name} does not run (exit {self.process and self.process.returncode})"
        self.process.send_signal(number)

    def stop(self, timeout: float = STOP_S, number: int = signal.SIGTERM) -> int:
        """Asks to end and returns the exit code; fails when it takes longer than `timeout` seconds."""
        self.send_signal(number)
        return self.wait_exit(timeout)

    def kill(self) -> None:
        """SIGKILL, the power cut."""
        self.killed = True
        if self.alive:
            self.process.kill()
            self.process.wait()

    def pause(self) -> None:
        self.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.send_signal(signal.SIGCONT)

    def rss_kib(self) -> int:
        return self._memory_kib("VmRSS")

    def peak_rss_kib(self) -> int:
        return self._memory_kib("VmHWM")

    def _memory_kib(self, what: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1])
        raise AssertionError(f"{self.name} has no {what}")

    def assert_flat(self, before_kib: int, limit_kib: int = 2048, what: str = "") -> None:
        """Memory has not grown by more than that since. A sanitizer keeps what was freed: no statement then."""
        grown = self.rss_kib() - before_kib
        assert SANITIZER or grown < limit_kib, f"{self.name} grew by {grown} KiB {what}"

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def finish(self) -> list[str]:
        """Ends the process if need be; returns what was wrong with its end or its log."""
        problems = []
        if self.process is not None and not self.killed:
            problems = self._end()
        problems += [f"{self.name}: sanitizer report in {self.log_path}" for text in REPORTS if text in self.log]
        return problems

    def _end(self) -> list[str]:
        if self.alive:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            code = self.process.wait(stretched(STOP_S) + 3)
        except subprocess.TimeoutExpired:
            self.kill()
            return [f"{self.name} did not end on SIGTERM"]
        return [] if code == self.expected_exit else [f"{self.name} ended with {code}, not {self.expected_exit}"]


def deep_merge(base: dict, extra: dict) -> dict:
    merged = dict(base)
    for key, value in extra.items():
        deeper = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = deep_merge(merged[key], value) if deeper else value
    return merged


def write_yaml(path: Path, config: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False))
    return path


class Mosquitto(Process):
    """A broker on loopback with the settings of broker-config."""

    def __init__(self, folder: Path, port: int | None = None, name: str = "mosquitto", lines: list[str] | None = None,
                 persistent: bool = False, anonymous: bool = True):
        self.port = port or free_port()
        config = [(ROOT / "broker-config" / "mosquitto.conf").read_text(), f"listener {self.port} 127.0.0.1",
                  f"allow_anonymous {str(anonymous).lower()}", f"persistence {str(persistent).lower()}"]
        if os.geteuid() == 0:
            config.append("user root")
        if persistent:
            config.append(f"persistence_location {folder}/")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.conf"
        path.write_text("\n".join(config + (lines or [])) + "\n")
        super().__init__(name, ["/usr/sbin/mosquitto", "-c", path], folder)

    def start(self) -> "Mosquitto":
        super().start()
        wait_until(lambda: self._ready(), 5, f"{self.name} listens on {self.port}")
        return self

    def _ready(self) -> bool:
        if not self.alive:
            raise ValueError(f"{self.name} ended: {self.log[-500:]}")
        return listening(self.port)


class Llamad(Process):
    """llamad with a generated configuration and an HTTP client for its API."""

    def __init__(self, folder: Path, broker_port: int, name: str = "llamad", config: dict | None = None,
                 env: dict[str, str] | None = None, wrapper: list[str] | None = None):
        self.port = (config or {}).get("http", {}).get("port") or free_port()
        self.state_dir = folder / f"{name}-state"
        base = {
            "mqtt": {"broker": "127.0.0.1", "port": broker_port},
            "cluster": {"aggregation_interval": 2, "request_timeout": 2, "discovery_method": "manual",
                        "poll_allow": ["127.0.0.0/8"], "state_dir": str(self.state_dir)},
            "http": {"listen": "127.0.0.1", "port": self.port},
        }
        self.config = deep_merge(base, config or {})
        self.config_path = write_yaml(folder / f"{name}.yaml", self.config)
        self.state_dir.mkdir(parents=True, exist_ok=True)
        env = {"LLAMAD_WEB_DIR": str(web_dir(folder)), "LLAMAD_BROKER_CONFIG_DIR": str(ROOT / "broker-config"),
               **(env or {})}
        super().__init__(name, [LLAMAD, "-c", self.config_path], folder, env, wrapper)
        self.http = Http("127.0.0.1", self.port)

    def start(self, wait: bool = True) -> "Llamad":
        super().start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout: float = 5.0) -> None:
        def ready() -> bool:
            if not self.alive:
                return True
            return self.http.get("/api/health").status == 200
        wait_until(ready, timeout, f"{self.name} answers /api/health")
        assert self.alive, f"{self.name} ended with {self.process.returncode}:\n{self.log[-2000:]}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **params: object) -> dict:
        return self.http.get_json(path, **params)

    def health(self) -> dict:
        return self.get("/api/health")

    def reject_count(self, reason: str) -> int:
        return self.health()["rejects"].get(reason, 0)

    def nodes(self) -> dict[str, dict]:
        return {node["name"]: node for node in self.get("/api/cluster/nodes")["nodes"]}

    def node(self, name: str) -> dict:
        """The node with all its evidence."""
        return self.get(f"/api/cluster/nodes/{quote(name)}")

    def readings(self, **params: object) -> list[dict]:
        return self.get("/api/cluster/readings", **params)["readings"]

    def said_stats(self) -> dict[str, dict]:
        """The nodes' own /api/stats, as far as they have said them."""
        return {name: said for name, said in self.get("/api/cluster/stats")["by_node"].items() if said}

    def reading(self, node: str, full_id: str) -> dict:
        found = [r for r in self.readings(node=node) if r["full_id"] == full_id]
        assert len(found) == 1, f"{len(found)} readings {full_id} of {node}"
        return found[0]

    def events(self, **params: object) -> list[dict]:
        return self.get("/api/cluster/events", **params)["events"]

    def wait_node(self, name: str, status: str | None = None, cause: str | None = None, timeout: float = 10.0,
                  **expected: object) -> dict:
        """The node once it is in this state; the failure shows the last one seen."""
        wanted = {k: v for k, v in {"status": status, "cause": cause, **expected}.items() if v is not None}

        def check() -> dict:
            node = self.nodes()[name]
            seen = {key: node[key] for key in ("status", "cause", "reason", "via", "age_s")}
            assert all(node[key] == value for key, value in wanted.items()), f"{name} is {seen}"
            return node
        return wait_until(check, timeout, f"{name} becomes {wanted}")

    def live(self, query: str = "", headers: dict[str, str] | None = None) -> LiveClient:
        return LiveClient("127.0.0.1", self.port, query, headers)

    def wait_broker(self, state: str = "connected", timeout: float = 10.0) -> None:
        wait_until(lambda: self.health()["broker"]["state"] == state, timeout, f"{self.name}'s broker link {state}")


class Agent(Process):
    """alpaca-agent with a generated configuration: everything is fetched every second."""

    def __init__(self, folder: Path, broker_port: int, node_name: str | None, url: str | None = None,
                 name: str | None = None, config: dict | None = None, announce: bool = False,
                 env: dict[str, str] | None = None, wrapper: list[str] | None = None):
        kinds = ("heartbeat", "readings", "observations", "stats", "memories")
        alpaca: dict = {f"{kind}_interval": 1 for kind in kinds}
        if url:
            alpaca["url"] = url
        if announce:
            alpaca["announce_url"] = url
        base: dict = {"mqtt": {"broker": "127.0.0.1", "port": broker_port}, "alpaca": alpaca}
        if node_name is not None:
            base["node"] = {"name": node_name}
        self.node_name = node_name
        label = name or f"agent-{node_name or 'host'}".replace(" ", "_")
        self.config = deep_merge(base, config or {})
        self.config_path = write_yaml(folder / f"{label}.yaml", self.config)
        self.runtime_dir = folder / "run"
        env = {"ALPACA_RUNTIME_DIR": str(self.runtime_dir), **(env or {})}
        super().__init__(label, [AGENT, "-c", self.config_path], folder, env, wrapper)


def web_dir(folder: Path) -> Path:
    """The built dashboard, or a page of our own where it was not built."""
    if (WEB_DIST / "index.html").exists():
        return WEB_DIST
    page = folder / "web" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<!DOCTYPE html><html lang=en><title>smollama-cluster</title><p>Test page</p></html>\n")
    return page.parent


def quote(name: str) -> str:
    """A node name as a path segment."""
    return urllib.parse.quote(name, safe="")


def run_to_end(argv: list[str | Path], folder: Path, timeout: float = 5.0,
               env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Runs a program that should end by itself; its outputs are text."""
    done = subprocess.run([os.fspath(part) for part in argv], cwd=folder, env=_environment(env),
                          timeout=stretched(timeout), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False)
    assert not any(text in done.stderr for text in REPORTS), done.stderr
    return done


def faketime(shift: str) -> dict[str, str]:
    """The environment of a program whose wall clock is off by that ("-1h", "+90s"); see why_no_faketime."""
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": shift, "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}


def why_no_faketime() -> str | None:
    """None where programs can be given another time; else the reason, for a skip."""
    if SANITIZER:
        return "sanitizers must be loaded first"
    return None if FAKETIME else "no libfaketime (package libfaketime)"


def valgrind_wrapper(log: Path) -> list[str]:
    """The command to put in front of a program; leaks and errors end it with 99."""
    return ["/usr/bin/valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite", f"--suppressions={ROOT / 'tests' / 'valgrind.supp'}",
            f"--log-file={log}"]
