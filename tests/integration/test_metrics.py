"""GET /metrics: the conventions, what a real Prometheus makes of it, and that the counters count."""

import re

import pytest

from tests.support.fake_agent import FakeAgent
from tests.support.prometheus import WHY_IMPOSSIBLE, Prometheus, promtool
from tests.support.waiting import wait_until

needs_prometheus = pytest.mark.skipif(WHY_IMPOSSIBLE is not None, reason=WHY_IMPOSSIBLE or "")
HOUR = 3600
SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$')
HOSTILE = 'pi "\\ {}=,\u00fc'


def samples(llamad) -> dict[tuple[str, str], float]:
    """(name, labels as they stand) → value; every line must be one that the format knows."""
    found = {}
    body = llamad.http.get("/metrics").body.decode()
    assert body.endswith("\n")
    for line in body.split("\n")[:-1]:
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        match = SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        key = (match[1], match[2] or "")
        assert key not in found, f"twice: {line}"
        found[key] = float(match[3])
    return found


def test_metrics_follow_the_format_whatever_peers_say(stack):
    llamad = stack.llamad()
    fake = FakeAgent(stack.mqtt, HOSTILE, interval_s=HOUR)
    fake.come_alive({"system:cpu_temp": b"45.30", 'a\n"b\\:c"\n} 1': 1, "x": 1, "x:": 2, "nul\x00:a": 3, "t:text": "y",
                     "t:huge": b"1e999", "gpio:1": True, "\u2028:\U0001f999": 4, "l" * 200: 5})
    llamad.wait_node(HOSTILE, "online")
    wait_until(lambda: llamad.get("/api/cluster/readings")["count"] == 10, 5, "the readings are there")
    found = samples(llamad)
    names = [labels for name, labels in found if name == "smollama_reading"]
    assert len(names) == 6
    assert all(labels.startswith('node="pi \\"\\\\ {}=,\u00fc",source_type=') for labels in names)
    assert b'source_id="cpu_temp",unit="celsius"} 45.30\n' in llamad.http.get("/metrics").body
    if WHY_IMPOSSIBLE is None:
        assert promtool("check", "metrics", stdin=llamad.http.get("/metrics").body) == ""


def test_metrics_are_guarded_as_everything_else(still):
    answer = still.http.get("/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert still.http.get("/metrics", {"Host": "foreign.example"}).status == 421
    assert still.http.get("/metrics", {"Origin": "http://foreign.example"}).status == 403
    post = still.http.request("POST", "/metrics", body=b"")
    assert (post.status, post.headers["allow"]) == (405, "GET, HEAD")
    head = still.http.request("HEAD", "/metrics")
    assert (head.status, head.body) == (200, b"") and int(head.headers["content-length"]) > 1000


def test_counters_count(stack):
    llamad = stack.llamad()
    before = samples(llamad)
    fake = FakeAgent(stack.mqtt, "pi-a", interval_s=HOUR).come_alive()
    stack.mqtt.publish(fake.topic("health"), b"not json")
    stack.live(llamad).snapshot()
    llamad.wait_node("pi-a", "online")
    wait_until(lambda: samples(llamad)[("llamad_rejects_total", 'reason="not_json"')] == 1, 5, "the reject is counted")
    after = samples(llamad)
    assert after[("llamad_live_sessions", "")] == 1
    for name in ("llamad_mqtt_received_messages_total", "llamad_mqtt_received_bytes_total", "llamad_http_requests_total",
                 "llamad_http_sent_bytes_total", "llamad_live_sent_frames_total", "llamad_live_sent_bytes_total",
                 "llamad_live_sessions_opened_total", "llamad_cache_revision", "llamad_event_loop_lag_seconds_count",
                 "process_cpu_seconds_total"):
        # Some count once a second.
        wait_until(lambda key=(name, ""): samples(llamad)[key] > before[key], 5, f"{name} has grown")
    received = ("llamad_mqtt_received_messages_total", "")
    assert after[received] - before[received] >= 5, "four of the agent and the broken one"
    assert after[("llamad_mqtt_up", "")] == 1 and after[("llamad_mqtt_reconnects_total", "")] == 0
    assert after[("smollama_node_rejects_total", 'node="pi-a"')] == 1
    assert 1e6 < after[("process_resident_memory_bytes", "")] < 1e9
    assert 5 < after[("process_open_fds", "")] < after[("process_max_fds", "")]
    assert before[("process_start_time_seconds", "")] == after[("process_start_time_seconds", "")]
    health = llamad.health()
    assert health["http"]["live_bytes_out"] >= after[("llamad_live_sent_bytes_total", "")]
    assert health["loop"]["max_lag_ms"] >= 0


def test_polls_are_timed(stack):
    node = stack.node("kitchen")
    llamad = stack.llamad({"cluster": {"manual_nodes": [{"name": "kitchen", "url": node.url}]}})
    llamad.wait_node("kitchen", "online")
    wait_until(lambda: samples(llamad)[("llamad_poll_duration_seconds_count", "")] == 1, 5, "one poll was timed")
    found = samples(llamad)
    assert found[("llamad_polls_total", 'outcome="usable"')] == 1
    assert found[("llamad_poll_requests_total", "")] == 4
    assert 0 < found[("llamad_poll_duration_seconds_sum", "")] < 10
    assert any(name == "smollama_reading" for name, _ in found)


def test_readings_end_with_their_node(stack):
    llamad = stack.llamad()
    fake = FakeAgent(stack.mqtt, "pi-a", interval_s=HOUR).come_alive({"system:cpu_temp": 45.5})
    llamad.wait_node("pi-a", "online")
    wait_until(lambda: any(name == "smollama_reading" for name, _ in samples(llamad)), 5, "the reading is there")
    fake.status("offline", reason="stopped")
    llamad.wait_node("pi-a", "unreachable")
    found = samples(llamad)
    assert found[("smollama_node_up", 'node="pi-a"')] == 0
    assert found[("smollama_node_cause", 'node="pi-a",cause="stopped"')] == 1
    assert not any(name == "smollama_reading" for name, _ in found)


@needs_prometheus
def test_a_real_prometheus_scrapes(stack):
    llamad = stack.llamad()
    FakeAgent(stack.mqtt, HOSTILE, interval_s=HOUR).come_alive({"system:cpu_temp": b"45.30", "x": 1, "x:": 2})
    llamad.wait_node(HOSTILE, "online")
    prometheus = Prometheus(stack.folder / "prometheus", llamad.port)
    stack.processes.append(prometheus)
    prometheus.start()
    prometheus.wait_ready()
    wait_until(lambda: prometheus.query("smollama_reading"), 15, "the first scrape is in")
    assert [one["value"][1] for one in prometheus.query('up{job="llamad"}')] == ["1"]
    (reading,) = prometheus.query('smollama_reading{source_id="cpu_temp"}')
    assert reading["value"][1] == "45.3"
    assert {key: reading["metric"][key] for key in ("node", "source_type", "unit")} == {
        "node": HOSTILE, "source_type": "system", "unit": "celsius"}
    (up,) = prometheus.query("smollama_node_up")
    assert up["value"][1] == "1"
    (count,) = prometheus.query("llamad_event_loop_lag_seconds_count")
    assert float(count["value"][1]) > 0
