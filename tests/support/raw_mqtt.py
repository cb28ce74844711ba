"""MQTT by hand over TLS, for what no client library would do."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from pathlib import Path


def varint(n: int) -> bytes:
    out = b""
    while True:
        n, low = divmod(n, 128)
        out += bytes([low | (128 if n else 0)])
        if not n:
            return out


def text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def publish_packet(topic: str, payload: bytes, alias: int = 0) -> bytes:
    """QoS 0, MQTT 5, without properties but for a topic alias."""
    properties = b"\x23" + struct.pack(">H", alias) if alias else b""
    rest = text(topic.encode()) + varint(len(properties)) + properties + payload
    return b"\x30" + varint(len(rest)) + rest


class RawMqtt:
    """One connection; CONNECT is sent and CONNACK read unless told otherwise."""

    def __init__(self, port: int, ca: Path | None = None, user: str = "", password: str = "", connect: bool = True,
                 will: tuple[str, bytes] | None = None):
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        if ca:
            self.socket = ssl.create_default_context(cafile=str(ca)).wrap_socket(self.socket, server_hostname="localhost")
        self.code = None
        if connect:
            # A will is retained and of QoS 0, without properties.
            flags, said = (b"\xe6", b"\0" + text(will[0].encode()) + text(will[1])) if will else (b"\xc2", b"")
            body = b"\0\4MQTT\5" + flags + b"\0\0\0" + text(b"raw") + said + text(user.encode()) + text(password.encode())
            self.socket.sendall(b"\x10" + varint(len(body)) + body)
            self.code = self.socket.recv(100)[3]

    def flood(self, packet: bytes, rate: int, seconds: float) -> float:
        """Sends at that rate; the rate that was reached."""
        began, sent = time.monotonic(), 0
        while (now := time.monotonic() - began) < seconds:
            due = int(now * rate) - sent
            if due < 50:
                time.sleep(0.002)
                continue
            self.socket.sendall(packet * due)
            sent += due
        return sent / (time.monotonic() - began)

    def closed_within(self, seconds: float) -> float:
        """How long until the broker closes."""
        began = time.monotonic()
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(4096):
                pass
        except TimeoutError:
            raise AssertionError(f"still open after {seconds} s") from None
        except OSError:
            pass
        return time.monotonic() - began
