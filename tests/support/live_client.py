"""A WebSocket client for /api/cluster/live that keeps the state its frames add up to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable

import websocket

from tests.support.waiting import wait_until

KEYS = ("nodes", "readings", "observations", "memories")


class LiveClient:
    """Reads frames in a thread until the server closes or `close` is called."""

    def __init__(self, host: str, port: int, query: str = "", headers: dict[str, str] | None = None,
                 timeout: float = 10.0):
        self.frames: list[dict] = []
        self.raw_frames: list[str] = []
        self.times: list[float] = []
        self.close_code: int | None = None
        self.closed = threading.Event()
        self.socket = websocket.create_connection(
            f"ws://{host}:{port}/api/cluster/live{query}", timeout=timeout, header=headers or {},
            suppress_origin=True, enable_multithread=True)
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
        """The frames so far folded into {"nodes": {name: …}, "readings": {(node, full_id): …}, …}.

        A node that is removed takes its items with it.
        """
        state: dict = {key: {} for key in KEYS}
        for frame in list(self.frames):
            if frame["type"] == "snapshot":
                state = {key: {} for key in KEYS}
            for key in KEYS:
                for item in frame.get(key, []):
                    state[key][item_key(key, item)] = item
            for key, gone in frame.get("removed", {}).items():
                for name in gone:
                    _remove(state, key, name)
            if "stats" in frame:
                state["stats"] = frame["stats"]
        return state

    def close(self) -> None:
        try:
            self.socket.close(timeout=1)
        except (websocket.WebSocketException, OSError):
            pass


def _remove(state: dict, kind: str, name: str | list) -> None:
    if kind != "nodes":
        state[kind].pop(tuple(name), None)
        return
    state["nodes"].pop(name, None)
    for key in KEYS[1:]:
        state[key] = {item: value for item, value in state[key].items() if item[0] != name}


def item_key(kind: str, item: dict) -> object:
    if kind == "nodes":
        return item["name"]
    return (item["node"], item["full_id"] if kind == "readings" else item["id"])


class StalledClient:
    """Opens a live session and never reads from it; a small receive buffer makes the server feel it soon."""

    def __init__(self, host: str, port: int):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(5)
        self.sock.connect((host, port))
        self.sock.sendall((f"GET /api/cluster/live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        answer = self.sock.recv(200)
        assert b" 101 " in answer.split(b"\r\n")[0], answer

    def close(self) -> None:
        self.sock.close()
