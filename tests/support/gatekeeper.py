"""A TCP proxy in front of a broker that reads each CONNECT and decides what becomes of it.

Policies get (Connect, number of this connection from 1) and return PASS, a Refuse, CLOSE, HANG or a Cut.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Connect:
    """A decoded MQTT CONNECT packet."""

    level: int = 0
    clean: bool = False
    keepalive: int = 0
    client_id: str = ""
    properties: dict[int, list] = field(default_factory=dict)
    will_topic: str | None = None
    will_payload: bytes | None = None
    will_qos: int = 0
    will_retain: bool = False
    will_properties: dict[int, list] = field(default_factory=dict)
    username: str | None = None
    password: bytes | None = None
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Verdict:
    """What to do with a connection: `answer` bytes to send first, then pass, close, hang or cut after a while."""

    action: str
    answer: bytes = b""
    seconds: float = 0.0
    farewell: bytes = b""


PASS = Verdict("pass")
CLOSE = Verdict("close")
HANG = Verdict("hang")
REFUSE_V5 = Verdict("close", b"\x20\x03\x00\x84\x00")
REFUSE_OLD_STYLE = Verdict("close", b"\x20\x02\x00\x01")


SESSION_TAKEN_OVER = b"\xe0\x02\x8e\x00"  # DISCONNECT 0x8E, which mosquitto 2.0 itself never sends


def cut_after(seconds: float, farewell: bytes = b"") -> Verdict:
    """Lets the connection through and cuts it `seconds` later, after sending the client these bytes."""
    return Verdict("cut", seconds=seconds, farewell=farewell)


SESSION_EXPIRY, WILL_DELAY, MESSAGE_EXPIRY, USER_PROPERTY = 0x11, 0x18, 0x02, 0x26
_SIZES = {0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1,
          0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        part = self.data[self.at:self.at + count]
        if len(part) < count:
            raise ValueError("packet too short")
        self.at += count
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return self.binary().decode()

    def varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def properties(self) -> dict[int, list]:
        found: dict[int, list] = {}
        end = self.varint() + self.at
        while self.at < end:
            key = self.varint()
            if key in _SIZES:
                value: object = self.number(_SIZES[key])
            elif key == USER_PROPERTY:
                value = (self.text(), self.text())
            elif key == 0x0B:
                value = self.varint()
            else:
                value = self.binary()
            found.setdefault(key, []).append(value)
        return found


def parse_connect(body: bytes) -> Connect:
    """`body` is what follows the fixed header."""
    reader = _Reader(body)
    reader.text()
    connect = Connect(level=reader.number(1))
    flags = reader.number(1)
    connect.clean = bool(flags & 0x02)
    connect.keepalive = reader.number(2)
    if connect.level == 5:
        connect.properties = reader.properties()
    connect.client_id = reader.text()
    if flags & 0x04:
        if connect.level == 5:
            connect.will_properties = reader.properties()
        connect.will_topic, connect.will_payload = reader.text(), reader.binary()
        connect.will_qos, connect.will_retain = (flags >> 3) & 3, bool(flags & 0x20)
    if flags & 0x80:
        connect.username = reader.text()
    if flags & 0x40:
        connect.password = reader.binary()
    return connect


def read_packet(sock: socket.socket) -> tuple[bytes, bytes]:
    """(all bytes, body) of the next packet; raises ConnectionError at the end."""
    head = _exactly(sock, 1)
    length, shift = 0, 0
    while True:
        byte = _exactly(sock, 1)
        head += byte
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
    body = _exactly(sock, length)
    return head + body, body


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionError("closed")
        data += part
    return data


Policy = Callable[[Connect, int], Verdict]


class Gatekeeper:
    """Listens on a port of its own; `port` is what a client is told to connect to."""

    def __init__(self, upstream_port: int, policy: Policy = lambda _connect, _number: PASS):
        self.upstream_port, self.policy = upstream_port, policy
        self.connects: list[Connect] = []
        self.sent: list[bytes] = []  # packets of the clients after their CONNECT, as they came
        self.accepted: list[float] = []
        self._stopping = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection at once, without a DISCONNECT."""
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def packets(self, kind: int) -> list[bytes]:
        """Packets that clients sent, by type (3 PUBLISH, 14 DISCONNECT, …)."""
        return [packet for packet in list(self.sent) if packet[0] >> 4 == kind]

    def _accept(self) -> None:
        while True:
            try:
                sock, _peer = self._listener.accept()
            except OSError:
                return
            self.accepted.append(time.monotonic())
            self._sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            packet, body = read_packet(sock)
            connect = parse_connect(body)
            self.connects.append(connect)
            verdict = self.policy(connect, len(self.connects))
            if verdict.answer:
                sock.sendall(verdict.answer)
            if verdict.action == "hang":
                self._stopping.wait()
            elif verdict.action in ("pass", "cut"):
                self._relay(sock, packet, verdict)
        except (OSError, ValueError):
            pass
        finally:
            sock.close()

    def _relay(self, client: socket.socket, connect_packet: bytes, verdict: Verdict) -> None:
        broker = socket.create_connection(("127.0.0.1", self.upstream_port))
        self._sockets.append(broker)
        for sock in (client, broker):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        broker.sendall(connect_packet)
        threading.Thread(target=self._copy_back, args=(broker, client), daemon=True).start()
        if verdict.action == "cut":
            threading.Thread(target=self._cut_later, args=(client, verdict), daemon=True).start()
        try:
            while True:
                packet, _body = read_packet(client)
                self.sent.append(packet)
                broker.sendall(packet)
        finally:
            try:
                broker.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _cut_later(self, client: socket.socket, verdict: Verdict) -> None:
        self._stopping.wait(verdict.seconds)
        try:
            client.sendall(verdict.farewell)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _copy_back(self, broker: socket.socket, client: socket.socket) -> None:
        try:
            while data := broker.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        finally:
            broker.close()
