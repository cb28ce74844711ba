"""Trouble that lasts: one endpoint broken for good, a broker that takes nothing, a refresh that is always there."""

import contextlib
import socket
import struct
import threading
import time
from collections import Counter

import pytest

from tests.support.waiting import hold, wait_until


@pytest.mark.parametrize("behaviour", ["error500", "garbage", "reset"])
def test_an_endpoint_broken_for_good_is_not_the_source(stack, behaviour):
    """However often it fails between two good answers of others."""
    node = stack.node()
    node.behave("readings", behaviour)
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(node, {"alpaca": {"observations_interval": 4, "memories_interval": 4, "stats_interval": 4}})
    # Another answers while it fails: in the first round the others may have answered before.
    wait_until(lambda: node.count("stats") >= 2, 10, "a second round")
    since = time.monotonic()
    reader.wait_for("alpaca/kitchen/health", lambda m: m.json["source"]["ok"] is True, since=since)
    settled = time.monotonic()
    beats = reader.wait_count("alpaca/kitchen/health", 8, 15, since=settled)
    assert node.count("readings", since=settled) >= 6
    assert [b.json["source"]["ok"] for b in beats] == [True] * len(beats)
    assert beats[-1].json["snapshots"]["readings"]["error"] in ("http_500", "bad_body")


def test_a_retained_refresh_is_ignored(stack):
    stack.mqtt.publish("alpaca/kitchen/refresh", b"x", retain=True)
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(), {"alpaca": {"memories_interval": 600}})
    reader.wait_for("alpaca/kitchen/memories")
    hold(lambda: len(reader.messages("alpaca/kitchen/memories")) == 1, 6, "nothing is sent again")


class DeafBroker(threading.Thread):
    """Takes a connection and everything on it, and acknowledges no publish until told to."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.seen: Counter = Counter()
        self.unacknowledged: list[bytes] = []
        self.acknowledging = False
        self.level = 0
        self.lock = threading.Lock()
        self.connection: socket.socket | None = None

    def run(self):
        with contextlib.suppress(OSError):  # the end of either side
            self.serve()

    def serve(self):
        self.connection, _ = self.listener.accept()
        data = b""
        while chunk := self.connection.recv(65536):
            data += chunk
            while packet := self.split(data):
                kind, body, data = packet
                self.answer(kind, body)

    @staticmethod
    def split(data):
        length, shift = 0, 0
        for at, byte in enumerate(data[1:5], 2):
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (data[0] >> 4, data[at:at + length], data[at + length:]) if len(data) >= at + length else None
        return None

    def answer(self, kind, body):
        with self.lock:
            if kind == 1:
                self.level = body[6]
                self.connection.sendall(b"\x20\x03\x00\x00\x00")
            elif kind == 8:
                self.connection.sendall(b"\x90\x04" + body[:2] + b"\x00\x01")
            elif kind == 12:
                self.connection.sendall(b"\xd0\x00")
            elif kind == 3:
                end = 2 + struct.unpack(">H", body[:2])[0]
                self.seen[body[2:end].decode().rsplit("/", 1)[-1]] += 1
                self.unacknowledged.append(body[end:end + 2])
                if self.acknowledging:
                    self.acknowledge()

    def acknowledge(self):
        for packet_id in self.unacknowledged:
            self.connection.sendall(b"\x40\x02" + packet_id)
        self.unacknowledged.clear()

    def ask_for_refresh(self, topic):
        with self.lock:
            body = struct.pack(">H", len(topic)) + topic.encode() + (b"\x00" if self.level == 5 else b"")
            self.connection.sendall(bytes([0x30, len(body)]) + body)

    def listen_again(self):
        with self.lock:
            self.acknowledging = True
            self.seen.clear()
            self.acknowledge()

    def close(self):
        self.listener.close()
        if self.connection:
            self.connection.close()


def test_reports_do_not_pile_up_at_a_broker_that_takes_nothing(stack):
    deaf = DeafBroker()
    deaf.start()
    node = stack.node(moving=True)
    stack.agent(node, broker_port=deaf.port)
    wait_until(lambda: deaf.seen["health"] >= 8, 15, "heartbeats go on")
    deaf.ask_for_refresh("alpaca/kitchen/refresh")
    hold(lambda: deaf.seen["memories"] <= 1, 2, "a refresh does not pile up either")
    asked = node.count("readings")
    assert asked >= 6 and deaf.seen["readings"] <= 2, deaf.seen
    deaf.listen_again()
    wait_until(lambda: deaf.seen["readings"] and deaf.seen["stats"], 5, "what is current is sent")
    assert deaf.seen["readings"] <= 3, "the newest, not all that were missed"
    deaf.close()
