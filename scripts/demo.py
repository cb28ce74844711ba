"""The demo cluster. Started by scripts/demo, which builds first.

Everything listens on loopback, on free ports, and keeps its files in a temporary folder: a mosquitto or a Smollama that
runs on this machine already is not touched.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "release"))
ALPACAS = [("pi-kitchen", "kitchen"), ("pi-attic", "nostore")]


class Stopped(Exception):
    """A signal asked us to end."""


def free_port(preferred=0):
    """The preferred port if nobody listens there, else one that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise SystemExit("demo: no free port")


def host_name():
    """This machine's name as a node name."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname().split(".")[0]).strip("-")
    return name or "llama"


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self.children = []  # (name, process, log), in the order of their start

    def start(self, name, *command, **environment):
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **environment}, start_new_session=True)
        self.children.append((name, process, log))

    def config(self, name, **sections):
        """JSON is YAML, and Python writes JSON."""
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(sections, indent=2) + "\n")
        return str(path)

    def check(self):
        for name, process, log in self.children:
            if process.poll() is not None:
                raise SystemExit(f"demo: {name} ended with status {process.returncode}:\n{log.read_text()[-4000:]}")

    def wait(self, what, predicate, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            try:
                if predicate():
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.1)
        raise SystemExit(f"demo: {what} did not happen within {seconds} s; logs are in {self.folder}")

    def stop(self):
        """Agents first, so that they say goodbye; llamad, which ends its broker, last."""
        for _, process, _ in reversed(self.children):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def get(url):
    with urllib.request.urlopen(url, timeout=2) as answer:
        return json.load(answer)


def run(cluster, http_port, seconds):
    mqtt_port = free_port()
    mqtt = {"broker": "127.0.0.1", "port": mqtt_port}
    address = f"http://127.0.0.1:{http_port}"
    cluster.start(
        "llamad", str(BUILD / "llama" / "llamad"), "-c",
        cluster.config(
            "llamad",
            cluster={"discovery_method": "manual", "aggregation_interval": 10, "poll_allow": ["127.0.0.0/8"],
                     "state_dir": str(cluster.folder / "state")},
            broker={"run": True, "listen": "127.0.0.1", "port": mqtt_port},
            http={"listen": "127.0.0.1", "port": http_port}),
        LLAMAD_WEB_DIR=str(ROOT / "web" / "dist"), LLAMAD_BROKER_CONFIG_DIR=str(ROOT / "broker-config"))
    cluster.wait("llamad answering", lambda: get(f"{address}/api/health")["broker"]["state"] == "connected")

    agent = str(BUILD / "alpaca-agent" / "alpaca-agent")
    cluster.start(
        "agent-llama", agent, "-c",
        cluster.config("agent-llama", node={"name": host_name()}, mqtt=mqtt,
                       alpaca={"source": "system", "type": "llama", "heartbeat_interval": 5, "readings_interval": 2}))
    ports = {name: free_port() for name, _ in ALPACAS}
    for name, fixture in ALPACAS:
        cluster.start(f"smollama-{name}", "/usr/bin/python3", "-m", "tests.support.smollama_node",
                      "--fixture", fixture, "--name", name, "--port", str(ports[name]), "--moving")
    for name, port in ports.items():
        url = f"http://127.0.0.1:{port}"
        cluster.wait(f"{name}'s Smollama answering", lambda url=url: get(f"{url}/api/stats"))
        cluster.start(
            f"agent-{name}", agent, "-c",
            cluster.config(f"agent-{name}", node={"name": name}, mqtt=mqtt,
                           alpaca={"url": url, "announce_url": url, "heartbeat_interval": 5, "readings_interval": 2,
                                   "observations_interval": 10, "labels": {"room": name.removeprefix("pi-")}}))
    cluster.wait("three nodes online",
                 lambda: get(f"{address}/api/cluster/stats")["nodes"]["online"] == 1 + len(ALPACAS))

    print(f"\n  Dashboard:  {address}/\n"
          f"  API:        {address}/api/cluster/nodes\n"
          f"  MQTT:       mosquitto_sub -h 127.0.0.1 -p {mqtt_port} -v -t 'alpaca/#'\n"
          f"  Logs:       {cluster.folder}\n\n"
          "  Ctrl-C ends everything.", flush=True)
    end = time.monotonic() + seconds if seconds else None
    while end is None or time.monotonic() < end:
        cluster.check()
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="A small cluster on this machine.")
    parser.add_argument("--port", type=int, default=None, help="the dashboard's port (default 8090, or a free one)")
    parser.add_argument("--seconds", type=float, default=0, help="end after so long (default: on Ctrl-C)")
    options = parser.parse_args()

    def stop(signal_number, _frame):
        raise Stopped(signal_number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    folder = Path(tempfile.mkdtemp(prefix="smollama-cluster-demo-"))
    folder.chmod(0o755)  # the broker may run as a user of its own
    cluster = Cluster(folder)
    kept = True
    try:
        run(cluster, options.port or free_port(8090), options.seconds)
        kept = False
    except Stopped:
        kept = False
        print("\ndemo: ending", flush=True)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        cluster.stop()
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
