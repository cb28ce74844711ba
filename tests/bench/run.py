"""scripts/bench: how fast and how big, as ratios to a peer measured in the same run.

Every figure is the median of BENCH_RUNS repetitions (default 5), ours and the peer's taken in turn, with the lowest and
the highest beside it. A goal that is missed is marked; the exit status tells whether any was.
"""

from __future__ import annotations

import datetime
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from tests.support.fake_agent import FakeAgent
from tests.support.mqtt_client import MqttClient
from tests.support.processes import BUILD_DIR, Agent, Llamad, Mosquitto, Process, free_port, listening
from tests.support.smollama_node import SmollamaNode
from tests.support.tls import Authority
from tests.support.waiting import wait_until

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
FLOOD = BUILD_DIR / "tests" / "bench" / "bench_flood"
PUSH = BUILD_DIR / "tests" / "bench" / "bench_push"
TICK = BUILD_DIR / "tests" / "bench" / "bench_tick"


class Results:
    def __init__(self) -> None:
        self.missed: list[str] = []

    def line(self, what: str, values: list[float], unit: str = "") -> float:
        """Prints median and spread of one quantity; returns the median."""
        middle = statistics.median(values)
        print(f"  {what:<58} {middle:>11,.2f} {unit:<6} [{min(values):,.2f} … {max(values):,.2f}]", flush=True)
        return middle

    def goal(self, what: str, values: list[float], at_most: float | None = None, at_least: float | None = None,
             unit: str = "×") -> None:
        middle = self.line(what, values, unit)
        met = (at_most is None or middle <= at_most) and (at_least is None or middle >= at_least)
        limit = f"≤ {at_most:g}" if at_least is None else f"≥ {at_least:g}"
        print(f"  {'':<58} goal {limit}: {'met' if met else 'MISSED'}", flush=True)
        if not met:
            self.missed.append(what)


class Bench:
    def __init__(self, folder: Path, results: Results):
        self.folder, self.results, self.started = folder, results, []

    def start(self, process: Process, **options: object) -> Process:
        self.started.append(process)
        return process.start(**options)

    def fresh(self) -> Path:
        """A folder for the next set of processes."""
        path = self.folder / str(len(list(self.folder.iterdir())))
        path.mkdir()
        path.chmod(0o755)
        return path

    def llamad(self, broker_port: int, **options: object) -> Llamad:
        llamad = Llamad(self.fresh(), broker_port, **options)
        self.start(llamad)
        return llamad

    def stop(self) -> None:
        for process in reversed(self.started):
            if process.alive:
                process.stop(10)
        self.started.clear()


# ---- push latency ----

def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def push(bench: Bench) -> None:
    """Publish → browser socket against publish → a plain subscriber's output; one at a time, taking turns."""
    print("\nPush latency of a changed reading: to mosquitto_sub's output (in a pipe), to a live WebSocket of llamad, and to a"
          "\nbare MQTT socket in the measuring process (the floor: one process less)")
    alone = bench.start(Mosquitto(bench.fresh()))
    broker = bench.start(Mosquitto(bench.fresh()))
    llamad = bench.llamad(broker.port)
    llamad.wait_broker()
    seen: dict[str, dict[str, list[float]]] = {"p50": {}, "p99": {}}
    for _ in range(RUNS):
        for who, port in (("bare", alone.port), ("mosquitto_sub", alone.port), ("websocket", broker.port)):
            out = subprocess.run([PUSH, "latency", who, str(port), str(llamad.port), "1500", "1000"],
                                 stdout=subprocess.PIPE, text=True, check=True).stdout
            times = [float(line) for line in out.split()]
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                seen[name].setdefault(who, []).append(percentile(times, share))
    for name, limit in (("p50", 1.25), ("p99", 2)):
        for who, values in seen[name].items():
            bench.results.line(f"{who}, {name}", values, "µs")
        ratios = [ours / peer for ours, peer in zip(seen[name]["websocket"], seen[name]["mosquitto_sub"])]
        bench.results.goal(f"live WebSocket / mosquitto_sub, {name}", ratios, at_most=limit)


def tls(bench: Bench) -> None:
    """The same push to a live WebSocket in the clear and over TLS, taking turns."""
    print("\nPush latency over TLS")
    broker = bench.start(Mosquitto(bench.fresh()))
    cert, key = Authority(bench.fresh()).server()
    ports = {"websocket": bench.llamad(broker.port, name="plain")}
    locked = Llamad(bench.fresh(), broker.port, name="locked", config={"http": {"tls": {"cert": str(cert), "key": str(key)}}})
    locked.http.tls = ssl._create_unverified_context()
    ports["websocket_tls"] = bench.start(locked)
    for llamad in ports.values():
        llamad.wait_broker()
    seen: dict[str, dict[str, list[float]]] = {"p50": {}, "p99": {}}
    for _ in range(RUNS):
        for who, llamad in ports.items():
            out = subprocess.run([PUSH, "latency", who, str(broker.port), str(llamad.port), "1500", "1000"],
                                 stdout=subprocess.PIPE, text=True, check=True).stdout
            times = [float(line) for line in out.split()]
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                seen[name].setdefault(who, []).append(percentile(times, share))
    for name in seen:
        for who, values in seen[name].items():
            bench.results.line(f"{who}, {name}", values, "µs")
        ratios = [ours / peer for ours, peer in zip(seen[name]["websocket_tls"], seen[name]["websocket"])]
        bench.results.goal(f"over TLS / in the clear, {name}", ratios, at_most=2)


def mqtt_tls(bench: Bench) -> None:
    """The same way to the browser, once plain and once with TLS between publisher and broker, and then to llamad as well."""
    print("\nPush latency of a changed reading to a live WebSocket, plain, with TLS from the agent to the broker (llamad on"
          "\nloopback, as with its own broker), and with TLS to llamad as well")
    authority = Authority(bench.fresh())
    cert, key = authority.server()
    port = free_port()
    broker = bench.start(Mosquitto(bench.fresh(), lines=[f"listener {port} 127.0.0.1", f"certfile {cert}", f"keyfile {key}"]))
    plain = bench.llamad(broker.port)
    secure = bench.llamad(port, config={"mqtt": {"broker": "localhost", "tls": {"ca": str(authority.cert)}}})
    plain.wait_broker()
    secure.wait_broker()
    ways = {"plain": (plain, []), "TLS to the broker": (plain, [str(port), authority.cert]),
            "TLS on both sides": (secure, [str(port), authority.cert])}
    seen: dict[str, dict[str, list[float]]] = {"p50": {}, "p99": {}}
    for _ in range(RUNS):
        for way, (llamad, options) in ways.items():
            out = subprocess.run([PUSH, "latency", "websocket", str(broker.port), str(llamad.port), "1500", "1000", *options],
                                 stdout=subprocess.PIPE, text=True, check=True).stdout
            times = [float(line) for line in out.split()]
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                seen[name].setdefault(way, []).append(percentile(times, share))
    for name in seen:
        for way, values in seen[name].items():
            bench.results.line(f"{way}, {name}", values, "µs")
        for way in list(ways)[1:]:
            ratios = [ours / peer for ours, peer in zip(seen[name][way], seen[name]["plain"])]
            bench.results.goal(f"{way} / plain, {name}", ratios, at_most=2)


# ---- ingest ----

def flood(count: int, size: int, nodes: int, start_subscriber) -> float:
    """Messages a second that the subscriber takes straight from a socket."""
    with subprocess.Popen([FLOOD, str(count), str(size), str(nodes), "5"], stdout=subprocess.PIPE, text=True) as tool:
        port = int(tool.stdout.readline().split()[0])
        subscriber = start_subscriber(port)
        try:
            tool.stdout.readline()
            seconds = float(tool.stdout.readline())
        finally:
            subscriber()
        return count / seconds


def ingest(bench: Bench) -> None:
    """No broker between: the flood tool plays it, so that the subscriber's own work is what is measured."""
    def mosquitto_sub(port: int):
        process = Process("mosquitto_sub", ["/usr/bin/mosquitto_sub", "-V", "5", "-p", str(port), "-q", "1", "-t", "alpaca/#"],
                          bench.fresh()).start()
        return process.kill

    def llamad(port: int):
        process = Llamad(bench.fresh(), port, name="llamad").start(wait=False)
        return lambda: process.stop(10)

    for size, count, goal in ((300, 300000, 0.8), (4096, 60000, 0.2)):
        print(f"\nIngest of {size}-byte reports from 100 nodes")
        ours, theirs = [], []
        for _ in range(RUNS):
            theirs.append(flood(count, size, 100, mosquitto_sub))
            ours.append(flood(count, size, 100, llamad))
        bench.results.line("mosquitto_sub", theirs, "/s")
        bench.results.line("llamad", ours, "/s")
        bench.results.goal("llamad / mosquitto_sub", [a / b for a, b in zip(ours, theirs)], at_least=goal)


def home_assistant(bench: Bench) -> None:
    """What publishing costs ingest; and discovery of a whole fleet by somebody who takes everything."""
    def llamad(publish: bool, cpu: list[float]):
        def start(port: int):
            process = Llamad(bench.fresh(), port, name="llamad", config={"cluster": {"publish": publish}}).start(wait=False)

            def end() -> None:
                cpu.append(process.cpu_seconds() * 1e6 / count)
                process.stop(10)
            return end
        return start

    for size, count in ((300, 600000), (4096, 120000)):
        print(f"\nIngest of {size}-byte reports from 100 nodes, with states and discovery published and without")
        silent, speaking, silent_cpu, speaking_cpu = [], [], [], []
        for number in range(2 * RUNS):
            if number % 4 in (0, 3):  # each first as often as second
                silent.append(flood(count, size, 100, llamad(False, silent_cpu)))
            else:
                speaking.append(flood(count, size, 100, llamad(True, speaking_cpu)))
        bench.results.line("processor time a report, publishing nothing", silent_cpu, "µs")
        bench.results.line("processor time a report, publishing", speaking_cpu, "µs")
        bench.results.line("publishing nothing", silent, "/s")
        bench.results.line("publishing", speaking, "/s")
        bench.results.goal("publishing / publishing nothing", [a / b for a, b in zip(speaking, silent)], at_least=0.85)
    print("\nDiscovery of 1,000 nodes × 20 readings: from llamad's start until a subscriber has every message")
    seconds, dropped = [], []
    for _ in range(RUNS):
        broker = bench.start(Mosquitto(bench.fresh(), lines=["sys_interval 1"]))
        fill(broker.port, 1000)
        listener = MqttClient(broker.port).subscribe("homeassistant/device/#", "llama/#", DROPPED, UPTIME)
        start = time.monotonic()
        bench.llamad(broker.port)

        def complete() -> bool:
            whole = {m.topic for m in listener.messages("homeassistant/#") if m.payload.count(b'"r_sensor_channel_') == 20}
            return len(whole) == 1000 and len({m.topic for m in listener.messages("llama/+/state")}) == 1000
        wait_until(complete, 60, "all nodes are announced", interval=0.2)
        seconds.append(max(m.at for m in listener.messages("homeassistant/#")) - start)
        listener.wait_count(UPTIME, 2, since=start + seconds[-1])  # its figures come together, but only those that changed
        dropped.append(float(([b"0"] + [m.payload for m in listener.messages(DROPPED)])[-1]))
        listener.close()
        bench.stop()
    bench.results.goal("all nodes announced", seconds, at_most=10, unit="s")
    bench.results.goal("messages dropped by the broker", dropped, at_most=0, unit="")


DROPPED = "$SYS/broker/publish/messages/dropped"
UPTIME = "$SYS/broker/uptime"


# ---- API ----

def fill(port: int, nodes: int, readings: int = 20, prefix: str = "bench") -> None:
    """Nodes with retained heartbeats and readings on a real broker."""
    mqtt = MqttClient(port)
    for n in range(nodes):
        agent = FakeAgent(mqtt, f"{prefix}-{n:04d}", interval_s=3600)
        agent.status()
        agent.heartbeat()
        agent.readings({f"sensor:channel_{i:02d}": 20 + i + n / 1000 for i in range(readings)})
    mqtt.close()


def filled_llamad(bench: Bench, nodes: int) -> Llamad:
    broker = bench.start(Mosquitto(bench.fresh()))
    llamad = bench.llamad(broker.port)
    llamad.wait_broker()
    fill(broker.port, nodes)
    wait_until(lambda: llamad.get("/api/cluster/readings", limit=1)["timestamp"] and
               llamad.get("/api/cluster/stats")["totals"]["sources"] == nodes * 20, 60, f"{nodes} nodes are there")
    return llamad


def wrk(url: str, connections: int = 8, seconds: int = 3) -> float:
    """Requests a second."""
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url], capture_output=True, text=True, check=True).stdout
    return next(float(line.split()[1]) for line in out.splitlines() if line.startswith("Requests/sec"))


class Nginx(Process):
    """One worker, serving one folder."""

    def __init__(self, folder: Path, root: Path):
        self.port = free_port()
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nuser root;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n types {{ application/json json; }}\n"
            f" client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;"
            f" uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
            f" server {{ listen 127.0.0.1:{self.port}; root {root}; }} }}\n")
        super().__init__("nginx", ["/usr/sbin/nginx", "-p", folder, "-c", config], folder)


def api(bench: Bench) -> None:
    """/api/cluster/readings of 100 nodes × 20 readings against nginx serving the same bytes from a file."""
    print("\nAPI: /api/cluster/readings, 100 nodes × 20 readings, 8 connections")
    llamad = filled_llamad(bench, 100)
    folder = bench.fresh()
    body = llamad.http.get("/api/cluster/readings").body
    (folder / "readings.json").write_bytes(body)
    nginx = bench.start(Nginx(folder, folder))
    wait_until(lambda: listening(nginx.port), 5, "nginx listens")
    print(f"  (a body of {len(body):,} bytes)")
    ours, theirs = [], []
    for _ in range(RUNS):
        theirs.append(wrk(f"http://127.0.0.1:{nginx.port}/readings.json"))
        ours.append(wrk(f"http://127.0.0.1:{llamad.port}/api/cluster/readings"))
    bench.results.line("nginx", theirs, "/s")
    bench.results.line("llamad", ours, "/s")
    bench.results.goal("llamad / nginx", [a / b for a, b in zip(ours, theirs)], at_least=0.5)


# ---- memory ----

def agent_memory(bench: Bench) -> None:
    print("\nResident memory of the agent, after 15 s beside a busy node")
    ours, with_tls, theirs = [], [], []
    for _ in range(RUNS):
        broker = bench.start(Mosquitto(bench.fresh()))
        authority = Authority(bench.fresh())
        cert, key = authority.server()
        tls_port = free_port()
        bench.start(Mosquitto(bench.fresh(), lines=[f"listener {tls_port} 127.0.0.1", f"certfile {cert}", f"keyfile {key}"]))
        with SmollamaNode("kitchen", "bench") as node:
            agent = bench.start(Agent(bench.fresh(), broker.port, "bench", node.url))
            tls_agent = bench.start(Agent(bench.fresh(), tls_port, "bench", node.url,
                                          config={"mqtt": {"tls": {"ca": str(authority.cert)}}}))
            port = free_port()
            exporter = bench.start(Process("node-exporter", ["/usr/bin/prometheus-node-exporter",
                                                             f"--web.listen-address=127.0.0.1:{port}"], bench.fresh()))
            wait_until(lambda: listening(port), 10, "node-exporter listens")
            end = time.monotonic() + 15
            while time.monotonic() < end:  # what Prometheus would do
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    answer.read()
                time.sleep(1)
            assert "connected to" in tls_agent.log, tls_agent.log
            ours.append(agent.rss_kib() / 1024)
            with_tls.append(tls_agent.rss_kib() / 1024)
            theirs.append(exporter.rss_kib() / 1024)
            exporter.kill()
            bench.stop()
    bench.results.line("prometheus-node-exporter", theirs, "MB")
    bench.results.goal("alpaca-agent, without TLS", ours, at_most=6, unit="MB")
    bench.results.goal("alpaca-agent, with TLS to the broker", with_tls, at_most=12, unit="MB")
    bench.results.goal("alpaca-agent / node-exporter", [a / b for a, b in zip(ours, theirs)], at_most=1 / 3)


def memory(bench: Bench) -> None:
    agent_memory(bench)
    print("\nResident memory of llamad, nodes of 20 readings")
    sizes: dict[int, list[float]] = {10: [], 100: [], 1000: []}
    for _ in range(min(RUNS, 3)):
        for nodes, values in sizes.items():
            broker = bench.start(Mosquitto(bench.fresh()))
            fill(broker.port, nodes)
            llamad = bench.llamad(broker.port)
            wait_until(lambda: llamad.get("/api/cluster/stats")["totals"]["sources"] == nodes * 20, 60, "all restored")
            values.append(llamad.rss_kib())
            bench.stop()
    for nodes, values in sizes.items():
        bench.results.line(f"llamad, {nodes} nodes", [v / 1024 for v in values], "MB")
    bench.results.goal("llamad per node, from 10 to 1,000", [(b - a) / 990 for a, b in zip(sizes[10], sizes[1000])],
                       at_most=16, unit="KB")


# ---- live clients ----

def clients(bench: Bench) -> None:
    print("\n1,000 live clients × 50 changes/s for 10 s; then the same with 200 more that never read")
    shares, late, growth, complete = [], [], [], []
    for _ in range(RUNS):
        for stalled in (0, 200):
            broker = bench.start(Mosquitto(bench.fresh()))
            llamad = bench.llamad(broker.port)
            llamad.wait_broker()
            with subprocess.Popen([PUSH, "clients", str(broker.port), str(llamad.port), "1000", "50", "10", str(stalled)],
                                  stdout=subprocess.PIPE, text=True) as tool:
                assert tool.stdout.readline() == "connected\n"
                cpu, rss, start = llamad.cpu_seconds(), llamad.rss_kib(), time.monotonic()
                result = json.loads(tool.stdout.readline())
                elapsed = time.monotonic() - start
                if stalled:
                    growth.append((llamad.rss_kib() - rss) / stalled)
                else:
                    shares.append((llamad.cpu_seconds() - cpu) / elapsed)
                    late.append(result["slowest_p99_ms"])
                    complete.append(result["deliveries"] / result["expected"])
            bench.stop()
    bench.results.goal("changes that reached every client", complete, at_least=1, unit="")
    bench.results.goal("llamad's share of one core", shares, at_most=1, unit="core")
    bench.results.line("slowest client of each change, p99", late, "ms")
    bench.results.goal("growth per stalled client", growth, at_most=2, unit="KB")


# ---- polling ----

def push_times(broker: Mosquitto, llamad: Llamad, count: int) -> list[float]:
    """Of each push, in µs."""
    out = subprocess.run([PUSH, "latency", "websocket", str(broker.port), str(llamad.port), str(count), "1000"],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return [float(line) for line in out.split()]


def push_p50(broker: Mosquitto, llamad: Llamad, count: int) -> float:
    return percentile(push_times(broker, llamad, count), 0.5)


def poll(bench: Bench) -> None:
    """A round over 1,000 silent nodes, 50 of them hanging; and push latency meanwhile."""
    print("\nPolling: one round over 1,000 nodes that are silent on MQTT, 50 of which never answer")
    seconds, ratios = [], []
    for _ in range(RUNS):
        with subprocess.Popen([sys.executable, "-m", "tests.bench.silent_nodes"], stdout=subprocess.PIPE, text=True) as server:
            port = int(server.stdout.readline())
            names = [f"{'hang' if n % 20 == 0 else 'node'}-{n:04d}" for n in range(1000)]
            broker = bench.start(Mosquitto(bench.fresh()))
            idle = bench.llamad(broker.port)
            idle.wait_broker()
            before = push_p50(broker, idle, 500)
            idle.stop(10)
            start = time.monotonic()
            llamad = bench.llamad(broker.port, config={"cluster": {
                "aggregation_interval": 60, "request_timeout": 5,
                "manual_nodes": [{"name": name, "url": f"http://127.0.0.1:{port}/{name}"} for name in names]}})
            llamad.wait_broker()
            during = push_p50(broker, llamad, 500)
            wait_until(lambda: llamad.health()["poller"]["polls"] >= 1000, 60, "all were asked once")
            seconds.append(time.monotonic() - start)
            states = llamad.health()["nodes"]
            assert states["online"] >= 950, states
            ratios.append(during / before)
            bench.stop()
            server.kill()
    bench.results.goal("one round", seconds, at_most=20, unit="s")
    bench.results.goal("push latency p50 during the round / without nodes", ratios, at_most=2)


# ---- metrics ----

class Scraper:
    """Asks for /metrics once a second, as no Prometheus would, and keeps how long each answer took."""

    def __init__(self, llamad: Llamad):
        self.llamad, self.times_ms, self.size = llamad, [], 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def scrape(self) -> float:
        start = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.llamad.port}/metrics", timeout=10) as answer:
            self.size = len(answer.read())
        return (time.monotonic() - start) * 1000

    def _run(self) -> None:
        while not self.stopping.wait(1):
            self.times_ms.append(self.scrape())

    def __enter__(self) -> "Scraper":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()


def metrics(bench: Bench) -> None:
    """/metrics of 1,000 nodes × 20 readings, and what asking for it does to push latency."""
    print("\n/metrics of 1,000 nodes × 20 readings, asked for once a second; and push latency meanwhile")
    seconds, ratios, tails, alone = [], [], [], []
    llamad = filled_llamad(bench, 1000)
    broker = bench.started[0]
    for _ in range(RUNS):
        quiet = push_times(broker, llamad, 3000)
        with Scraper(llamad) as scraper:
            busy = push_times(broker, llamad, 3000)
        wait_until(lambda: not scraper.thread.is_alive(), 5, "the scraper has ended")
        assert scraper.times_ms, "nothing was asked for meanwhile"
        seconds.append(statistics.median(scraper.times_ms))
        alone.append(scraper.scrape())
        ratios.append(percentile(busy, 0.5) / percentile(quiet, 0.5))
        tails.append(percentile(busy, 0.99) / percentile(quiet, 0.99))
    print(f"  (a body of {scraper.size:,} bytes)")
    bench.results.goal("/metrics while readings change", seconds, at_most=100, unit="ms")
    bench.results.line("/metrics when nothing does", alone, "ms")
    bench.results.goal("push latency p50 while it is asked for / without", ratios, at_most=1.25)
    bench.results.line("push latency p99 while it is asked for / without", tails, "×")


# ---- verdict ----

def verdict(bench: Bench) -> None:
    """Every node judged at every tick: 10,000 nodes, a tenth of which fall silent meanwhile."""
    print("\nVerdict: one tick over 10,000 nodes")
    medians, worst = [], []
    for _ in range(RUNS):
        out = subprocess.run([TICK, "10000", "400"], stdout=subprocess.PIPE, text=True, check=True).stdout
        times = [float(line) for line in out.split()]
        medians.append(statistics.median(times))
        worst.append(percentile(times, 0.99))
    bench.results.goal("a tick, median", medians, at_most=5, unit="ms")
    bench.results.line("a tick, p99", worst, "ms")


# ---- the dashboard ----

def dashboard(bench: Bench) -> None:
    """The page before a thousand busy nodes, in a real browser: a script of its own, which prints its own lines."""
    print("\nDashboard", flush=True)
    script = Path(__file__).with_name("dashboard.mjs")
    if subprocess.run(["node", script], env={**os.environ, "BUILD_DIR": str(BUILD_DIR)}, check=False).returncode != 0:
        bench.results.missed.append("the dashboard (see its lines)")


def main() -> int:
    known = {"push": push, "tls": tls, "mqtt_tls": mqtt_tls, "ingest": ingest, "api": api, "memory": memory,
             "clients": clients, "poll": poll, "verdict": verdict, "metrics": metrics, "home_assistant": home_assistant,
             "dashboard": dashboard}
    wanted = sys.argv[1:] or list(known)
    if unknown := [name for name in wanted if name not in known]:
        print(f"bench: no such measurement: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 64
    results = Results()
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, medians of {RUNS} [lowest … highest]")
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="smollama-cluster-bench-") as folder:
            Path(folder).chmod(0o755)
            bench = Bench(Path(folder), results)
            try:
                known[name](bench)
            finally:
                bench.stop()
    if results.missed:
        print("\nMissed: " + "; ".join(results.missed))
    return 1 if results.missed else 0


if __name__ == "__main__":
    sys.exit(main())
