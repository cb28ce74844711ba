"""A multicast DNS responder that says whatever a test wants, in real packets from port 5353.

    responder = MdnsResponder("10.77.0.2").start()         # in the namespace that has this address
    responder.serve(Service("kitchen", "10.77.0.2"))       # announces it, and answers queries for it
    responder.withdraw("kitchen")                          # goodbye
    responder.send(packet)                                 # anything at all
    responder.heard                                        # every packet that others sent: (address, port, bytes)
"""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass, field

GROUP, PORT = "224.0.0.251", 5353
TYPE = ("_smollama", "_tcp", "local")
A, PTR, TXT, SRV, ANY = 1, 12, 16, 33, 255
CLASS_IN, CACHE_FLUSH = 1, 0x8000
PTR_TTL, HOST_TTL = 4500, 120


def encode_name(labels: tuple[str | bytes, ...]) -> bytes:
    wire = b""
    for label in labels:
        raw = label if isinstance(label, bytes) else label.encode()
        assert 0 < len(raw) < 64, label
        wire += bytes([len(raw)]) + raw
    return wire + b"\0"


def record(labels: tuple[str | bytes, ...], kind: int, ttl: int, data: bytes, unique: bool = True) -> bytes:
    class_ = CLASS_IN | (CACHE_FLUSH if unique else 0)
    return encode_name(labels) + struct.pack("!HHIH", kind, class_, ttl, len(data)) + data


def packet(answers: list[bytes], additionals: list[bytes] = ()) -> bytes:
    return struct.pack("!HHHHHH", 0, 0x8400, 0, len(answers), 0, len(additionals)) + b"".join([*answers, *additionals])


def query(labels: tuple[str | bytes, ...], kind: int = PTR) -> bytes:
    return struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0) + encode_name(labels) + struct.pack("!HH", kind, CLASS_IN)


def is_response(data: bytes) -> bool:
    return len(data) >= 12 and bool(data[2] & 0x80)


@dataclass
class Service:
    """What Smollama announces: PTR, SRV, TXT and one address record."""

    instance: str
    address: str
    port: int = 8080
    node_type: str | None = "alpaca"
    host: str | None = None
    kind: tuple[str, ...] = TYPE
    extra_txt: list[bytes] = field(default_factory=list)

    @property
    def name(self) -> tuple[str, ...]:
        return (self.instance, *self.kind)

    @property
    def host_name(self) -> tuple[str, ...]:
        return (self.host or f"host-{abs(hash(self.instance)) % 100000}", "local")

    def pointer(self, ttl: int = PTR_TTL) -> bytes:
        return record(self.kind, PTR, ttl, encode_name(self.name), unique=False)

    def details(self, ttl: int = HOST_TTL) -> list[bytes]:
        texts = [b"version=0.1.0", *self.extra_txt]
        if self.node_type is not None:
            texts.insert(0, b"node_type=" + self.node_type.encode())
        txt = b"".join(bytes([len(text)]) + text for text in texts)
        return [record(self.name, SRV, ttl, struct.pack("!HHH", 0, 0, self.port) + encode_name(self.host_name)),
                record(self.name, TXT, PTR_TTL if ttl else 0, txt),
                record(self.host_name, A, ttl, socket.inet_aton(self.address))]

    def answer(self) -> bytes:
        return packet([self.pointer()], self.details())

    def goodbye(self) -> bytes:
        return packet([self.pointer(0), *self.details(0)])


class MdnsResponder:
    def __init__(self, address: str):
        self.address = address
        self.services: dict[str, Service] = {}
        self.heard: list[tuple[str, int, bytes]] = []
        self.answering = True
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> "MdnsResponder":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", PORT))
        interface = socket.inet_aton(self.address)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + interface)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.settimeout(0.1)
        self._socket = sock
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Falls silent, as a machine without power does: no goodbye."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
        if self._socket:
            self._socket.close()

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendto(data, (GROUP, PORT))
        except OSError:
            pass  # the wire is cut

    def serve(self, *services: Service) -> None:
        for service in services:
            self.services[service.instance] = service
            self.send(service.answer())

    def withdraw(self, instance: str) -> None:
        self.send(self.services.pop(instance).goodbye())

    def queries(self) -> int:
        return sum(not is_response(data) for _, _, data in self.heard)

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                data, (address, port) = self._socket.recvfrom(9216)
            except TimeoutError:
                continue
            if address == self.address:
                continue
            self.heard.append((address, port, data))
            if self.answering and not is_response(data):
                self._answer(data.lower())

    def _answer(self, asked: bytes) -> None:
        """Names in queries may be compressed: a service is meant when its first label, or the type, occurs."""
        for service in list(self.services.values()):
            if encode_name(service.kind).lower() in asked or service.instance.lower().encode() in asked \
                    or service.host_name[0].lower().encode() in asked:
                self.send(service.answer())
