"""What an account (or somebody without one) could do to everybody else, and does not."""

from __future__ import annotations

import os
import statistics
import threading
import time
from pathlib import Path

import pytest

from tests.support.fake_agent import FakeAgent, readings_body
from tests.support.locked_broker import LockedBroker
from tests.support.processes import SANITIZER, free_port
from tests.support.raw_mqtt import RawMqtt, publish_packet
from tests.support.waiting import stretched, wait_until

SERVED_MS = 250  # nobody sees a difference


@pytest.fixture(scope="module")
def locked(module_stack):
    broker = LockedBroker(module_stack)
    broker.passwords = broker.add("pi-good", "pi-bad")
    yield broker
    broker.close()


@pytest.fixture
def good(locked, module_stack):
    """A node that lives, and a browser that looks at it."""
    agent = FakeAgent(locked.client("pi-good", locked.passwords["pi-good"]), "pi-good").come_alive()
    locked.llamad.wait_node("pi-good", "online")
    live = module_stack.live(locked.llamad)
    live.snapshot()
    agent.live = live
    yield agent
    agent.mqtt.close()  # two with one account throw each other out
    live.close()


def bad(locked, **options: object) -> RawMqtt:
    client = RawMqtt(locked.tls_port, locked.ca, "pi-bad", locked.passwords["pi-bad"], **options)
    assert client.code in (0, None)
    return client


def latencies_ms(agent: FakeAgent, count: int) -> list[float]:
    """From the publish of a changed reading to the browser's socket."""
    found = []
    for i in range(count):
        start, began = len(agent.live.frames), time.monotonic()
        value = round(began % 1000 + i, 6)
        agent.readings({"probe:x": value})
        agent.live.wait_frame(lambda f: any(r["node"] == "pi-good" and r["full_id"] == "probe:x" and r["value"] == value
                                            for r in f.get("readings", [])), 5, "the reading", start)
        at = next(t for t, f in list(zip(agent.live.times, agent.live.frames))[start:]
                  if any(r["full_id"] == "probe:x" and r["value"] == value for r in f.get("readings", [])))
        found.append((at - began) * 1000)
    return found


def mosquitto_pid(locked) -> int:
    return next(pid for pid in locked.llamad.children() if "mosquitto" in Path(f"/proc/{pid}/comm").read_text())


def peak_kib(pid: int) -> int:
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))


def troubles(locked) -> dict[str, int]:
    return locked.llamad.health()["broker"]["child"]["troubles"]


REPORT = (b'{"v":1,"node":"pi-bad","kind":"readings","session":"s","seq":1,"captured_at":"2026-01-02T03:04:05.678Z",'
          b'"utc_offset_s":0,"body":' + readings_body({"flood:x": 1}) + b"}")


@pytest.mark.parametrize("topic", ["alpaca/pi-bad/readings", "alpaca/pi-good/readings", "llama/status"])
def test_flood_of_ten_thousand_a_second_leaves_others_served(locked, good, topic):
    before = latencies_ms(good, 20)
    attacker, rates = bad(locked), []
    memory = locked.llamad.rss_kib()
    thread = threading.Thread(target=lambda: rates.append(attacker.flood(publish_packet(topic, REPORT), 10000, 3)))
    thread.start()
    during = []
    while thread.is_alive():
        during += latencies_ms(good, 5)
    thread.join()
    print(f"{topic}: {rates[0]:.0f}/s; push latency before {statistics.median(before):.1f} ms, during {statistics.median(during):.1f} ms"
          f" (worst {max(during):.1f})")
    assert SANITIZER or rates[0] > 9000, f"only {rates[0]:.0f}/s were reached"
    assert len(during) >= 20 and sorted(during)[int(len(during) * 0.95)] < stretched(SERVED_MS)
    locked.llamad.wait_node("pi-good", "online")
    locked.llamad.assert_flat(memory, 8192, "in the flood")
    if topic != "alpaca/pi-bad/readings":
        assert not [r for r in locked.llamad.readings(node="pi-good") if r["full_id"] == "flood:x"]
        assert locked.llamad.health()["broker"]["state"] == "connected"


def test_256_megabytes_end_the_connection_and_cost_no_memory(locked, good):
    pid, before, counted = mosquitto_pid(locked), peak_kib(mosquitto_pid(locked)), troubles(locked)["too_large"]
    mark = locked.llamad.log_mark()
    for _ in range(3):
        attacker = bad(locked)
        sent = 0
        try:
            attacker.socket.sendall(b"\x30\xff\xff\xff\x7f\0\x16alpaca/pi-bad/readings\0")
            for _ in range(256):
                attacker.socket.sendall(b"x" * 1024 * 1024)
                sent += 1
        except OSError:
            pass
        assert sent < 16, f"{sent} MB were taken"
    assert peak_kib(pid) - before < 4096
    wait_until(lambda: troubles(locked)["too_large"] == counted + 3, 3, "each is counted")
    assert locked.llamad.log_since(mark).count("a packet above the limit") == 1, "and logged once a minute"
    assert max(latencies_ms(good, 5)) < stretched(SERVED_MS)


def test_revoked_accounts_open_connection_ends_within_a_second_and_nobody_elses(locked, good):
    attacker = bad(locked)
    began = time.monotonic()
    assert locked.run("enrol", "--revoke", "pi-bad").returncode == 0
    attacker.closed_within(3)
    took = time.monotonic() - began
    print(f"closed {took * 1000:.0f} ms after the command was given")
    assert took < stretched(1)
    assert RawMqtt(locked.tls_port, locked.ca, "pi-bad", locked.passwords["pi-bad"]).code == 0x87
    assert good.mqtt.connected and max(latencies_ms(good, 5)) < stretched(SERVED_MS)
    assert troubles(locked)["not_authorised"] >= 1
    locked.passwords["pi-bad"] = locked.add("pi-bad")["pi-bad"]


def test_guessing_is_counted_logged_once_and_hinders_nobody(locked, good):
    counted, mark = troubles(locked)["not_authorised"], locked.llamad.log_mark()
    codes = {RawMqtt(locked.tls_port, locked.ca, "pi-good", f"guess-{i}").code for i in range(100)}
    assert codes == {0x87}
    wait_until(lambda: troubles(locked)["not_authorised"] == counted + 100, 3, "each is counted")
    assert locked.llamad.log_since(mark).count("not authorised") <= 1
    assert good.mqtt.connected and max(latencies_ms(good, 5)) < stretched(SERVED_MS)


def test_idle_connections_keep_nobody_out(locked, good):
    idle = [RawMqtt(locked.tls_port, connect=False) for _ in range(500)]
    began = time.monotonic()
    bad(locked).socket.close()
    assert time.monotonic() - began < stretched(2)
    assert max(latencies_ms(good, 5)) < stretched(SERVED_MS)
    for one in idle:
        one.socket.close()


def test_full_broker_is_told_and_keeps_who_is_in(stack):
    port = free_port()
    llamad = stack.llamad({"broker": {"run": True, "port": port}}, broker_port=port, wrapper=["/usr/bin/prlimit", "--nofile=600:600"])
    llamad.wait_broker()
    agent = FakeAgent(stack.mqtt_client(port=port), "pi-in").come_alive({"probe:x": 1})
    llamad.wait_node("pi-in", "online")
    idle = [RawMqtt(port, connect=False) for _ in range(700)]
    llamad.wait_log("127.0.0.1: turned away: as many connections as the broker can have are open")
    wait_until(lambda: llamad.health()["broker"]["child"]["troubles"]["turned_away"] > 50, 3, "each is counted")
    agent.readings({"probe:x": 2})
    wait_until(lambda: llamad.get("/api/cluster/readings")["readings"][0]["value"] == 2, 3, "who is in is served")
    for one in idle:
        one.socket.close()

    def gets_in() -> bool:
        try:
            stack.mqtt_client(port=port).close()
        except OSError:
            return False
        return True
    wait_until(gets_in, 3, "afterwards others get in again")
    assert llamad.log.count("as many connections as the broker can have") == 1, "once a minute"


def throw(client: RawMqtt, data: bytes) -> None:
    try:
        client.socket.sendall(data)
        client.socket.close()
    except OSError:
        pass  # it closed before all was sent


def test_rubbish_before_and_behind_the_handshake(locked, good):
    before = troubles(locked)
    for data in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(500), b"\x16\x03\x01\xff\xff" + b"\0" * 200, b"\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1x"):
        plain = RawMqtt(locked.tls_port, connect=False)
        throw(plain, data)
    for data in (os.urandom(300), b"\x10\xff\xff\xff\x7f" + b"a" * 100000, b"\xf0\x00", b"\x30\x02\0\x20", b"\xe0\x00" * 50):
        inside = RawMqtt(locked.tls_port, locked.ca, connect=False)
        throw(inside, data)
    wait_until(lambda: sum(troubles(locked).values()) > sum(before.values()), 3, "it is counted")
    assert max(latencies_ms(good, 5)) < stretched(SERVED_MS)
    assert locked.llamad.health()["broker"]["child"]["restarts"] == 0
