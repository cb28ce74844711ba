"""A WebSocket client for /api/cluster/live that keeps the state its frames add up to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import websocket

from tests.support.waiting import stretched, wait_until

KEYS = ("nodes", "readings", "observations", "memories")


class LiveClient:
    """Reads frames in a thread until the server closes or `close` is called."""

    def __init__(self, host: str, port: int, query: str = "", headers: dict[str, str] | None = None,
                 timeout: float = 10.0, ca: object = None):
        """`ca`: the file of an authority; speaks TLS then."""
        self.frames: list[dict] = []
        self.raw_frames: list[str] = []
        self.times: list[float] = []
        self.close_code: int | None = None
        self.closed = threading.Event()
        self.socket = websocket.create_connection(
            f"{'wss' if ca else 'ws'}://{host}:{port}/api/cluster/live{query}", timeout=timeout, header=headers or {},
            sslopt={"ca_certs": str(ca)} if ca else None,
            suppress_origin=True, enable_multithread=True,
            skip_utf8_validation=True)  # decoding does, a thousand times as fast
        self.socket.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                opcode, data = self.socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.close_code = int.from_bytes(data[:2], "big") if len(data) >= 2 else None
                    return
                if opcode == websocket.ABNF.OPCODE_TEXT:
                    self.times.append(time.monotonic())
                    text = data.decode()
                    self.raw_frames.append(text)
                    self.frames.append(json.loads(text))
        except (websocket.WebSocketException, OSError):
            pass
        finally:
            self.closed.set()

    def wait_frame(self, predicate: Callable[[dict], bool], timeout: float = 10.0, what: str = "live frame",
                   start: int = 0) -> dict:
        """The first frame from index `start` on that fits."""
        return wait_until(lambda: next((f for f in list(self.frames)[start:] if predicate(f)), None), timeout, what)

    def snapshot(self, timeout: float = 10.0) -> dict:
        return self.wait_frame(lambda f: f["type"] == "snapshot", timeout, "snapshot frame")

    def state(self) -> dict:
        return fold(list(self.frames))

    def close(self) -> None:
        """Only one may read from the socket, and that is the thread."""
        try:
            self.socket.send_close()
            self.closed.wait(1)
            self.socket.shutdown()
        except (websocket.WebSocketException, OSError):
            pass


def fold(frames: list[dict]) -> dict:
    """What frames add up to: {"nodes": {name: …}, "readings": {(node, full_id): …}, …, "stats": …}.

    A part adds to its snapshot as a delta would. A node that is removed takes its items with it.
    """
    state: dict = {key: {} for key in KEYS}
    for frame in frames:
        if frame["type"] == "snapshot":
            state = {key: {} for key in KEYS}
        for key in KEYS:
            for item in frame.get(key, []):
                state[key][item_key(key, item)] = item
        if "stats" in frame:
            by_node = state.get("stats", {}).get("by_node", {}) | frame["stats"]["by_node"]
            state["stats"] = frame["stats"] | {"by_node": by_node}
        for key, gone in frame.get("removed", {}).items():
            for name in gone:
                _remove(state, key, name)
    return state


def _remove(state: dict, kind: str, name: str | list) -> None:
    if kind != "nodes":
        state[kind].pop(tuple(name), None)
        return
    state["nodes"].pop(name, None)
    state.get("stats", {}).get("by_node", {}).pop(name, None)
    for key in KEYS[1:]:
        state[key] = {item: value for item, value in state[key].items() if item[0] != name}


def item_key(kind: str, item: dict) -> object:
    if kind == "nodes":
        return item["name"]
    return (item["node"], item["full_id"] if kind == "readings" else item["id"])


class StalledClient:
    """Opens a live session and does not read from it until `messages` is asked for; a small receive buffer makes the
    server feel it soon."""

    def __init__(self, host: str, port: int, query: str = "", receive_buffer: int = 4096):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(5)
        self.sock.connect((host, port))
        self.sock.sendall((f"GET /api/cluster/live{query} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        self._received = bytearray()
        while b"\r\n\r\n" not in self._received:
            self._fill()
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        assert b" 101 " in head.split(b"\r\n")[0], head
        self._received = bytearray(rest)

    def _fill(self) -> None:
        chunk = self.sock.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self._received += chunk

    def _take(self, count: int) -> bytes:
        while len(self._received) < count:
            self._fill()
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def messages(self, timeout: float = 10.0) -> Iterator[bytes]:
        """The text messages, as they come; TimeoutError when nothing comes for so long."""
        self.sock.settimeout(stretched(timeout))
        pieces: list[bytes] = []
        while True:
            first, size = self._take(2)
            if size >= 126:
                size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
            payload = self._take(size)
            opcode, last = first & 15, first & 128
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return
            if opcode not in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_CONT):
                continue
            assert (opcode == websocket.ABNF.OPCODE_CONT) == bool(pieces), "a message begins once"
            pieces.append(payload)
            if last:
                yield b"".join(pieces)
                pieces = []

    def close(self) -> None:
        self.sock.close()
