"""A Smollama node that replays recordings over HTTP, and misbehaves on request.

As a program:  python3 -m tests.support.smollama_node --fixture kitchen --name pi-kitchen --port 0 [--moving
               [--utc-offset -14400] [--clock-shift 3600]]
               prints its port and serves until SIGTERM.
As a class:    SmollamaNode("kitchen").start(); node.behave("readings", "hang"); node.count("readings"); node.stop()
"""

from __future__ import annotations

import argparse
import signal
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.recordings import ENDPOINTS, Answer, Movement, Recording, fallback, make_answer, rename

IDLE_CLOSE_S = 5.0
MAX_REQUEST = 16384


@dataclass
class Request:
    """One request as the node received it."""

    method: str
    target: str
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.target).query, keep_blank_values=True))

    @property
    def endpoint(self) -> str | None:
        name = self.path.removeprefix("/api/")
        return name if self.path.startswith("/api/") and name in ENDPOINTS else None


class Connection:
    """One accepted socket. A behaviour writes to it and says whether it stays open."""

    def __init__(self, sock: socket.socket, stopping: threading.Event):
        self.sock = sock
        self.stopping = stopping

    def send(self, data: bytes) -> bool:
        self.sock.sendall(data)
        return True

    def wait_closed(self) -> bool:
        """Says nothing until the peer goes away or the node stops."""
        self.sock.settimeout(0.1)
        while not self.stopping.is_set():
            try:
                if not self.sock.recv(4096):
                    break
            except TimeoutError:
                continue
        return False

    def pause(self, seconds: float) -> None:
        self.stopping.wait(seconds)


Behaviour = Callable[[Connection, Answer, Request], bool]


def respond(answer: Answer) -> Behaviour:
    """Always this answer."""
    return lambda conn, _recorded, _request: conn.send(answer.wire)


def respond_body(body: bytes, status: int = 200, content_type: str = "application/json") -> Behaviour:
    return respond(make_answer(status, body, content_type))


def delay(seconds: float) -> Behaviour:
    """The recorded answer, late."""
    def behave(conn: Connection, recorded: Answer, _request: Request) -> bool:
        conn.pause(seconds)
        return conn.send(recorded.wire)
    return behave


def off(endpoint: str) -> Behaviour:
    """The 503 of a node without that part, as recorded."""
    fixture = "noreadings" if endpoint == "readings" else "nostore"
    answer = Recording(fixture).answer(endpoint)
    assert answer is not None
    return respond(answer)


def _truncated(conn: Connection, recorded: Answer, _request: Request) -> bool:
    conn.send(recorded.with_body(recorded.body + b" " * 1000).head + recorded.body[: len(recorded.body) // 2])
    return False


def _endless(conn: Connection, _recorded: Answer, _request: Request) -> bool:
    conn.send(b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n[")
    chunk = b"0," * 32768
    while not conn.stopping.is_set():
        conn.send(chunk)
    return False


def _announced_huge(conn: Connection, recorded: Answer, _request: Request) -> bool:
    """A length far beyond what anybody should wait for; then silence."""
    conn.send(make_answer(200, b"").head.replace(b"content-length: 0", b"content-length: 99999999999") + recorded.body)
    return conn.wait_closed()


def _drip(conn: Connection, recorded: Answer, _request: Request) -> bool:
    for index in range(len(recorded.wire)):
        conn.send(recorded.wire[index:index + 1])
        conn.pause(0.2)
        if conn.stopping.is_set():
            return False
    return True


def _mid_header(conn: Connection, recorded: Answer, _request: Request) -> bool:
    conn.send(recorded.head[: len(recorded.head) // 2])
    return False


def _reset(conn: Connection, _recorded: Answer, _request: Request) -> bool:
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


HTML = b"<!DOCTYPE html><html><head><title>Router</title></head><body><h1>It works</h1></body></html>"

BEHAVIOURS: dict[str, Behaviour] = {
    "ok": lambda conn, recorded, _request: conn.send(recorded.wire),
    "hang": lambda conn, _recorded, _request: conn.wait_closed(),
    "error500": lambda conn, _recorded, _request: conn.send(Recording("nan").answer("readings").wire),
    "garbage": respond_body(b'{"readings": [1, 2,, "\xff\xfe not JSON'),
    "truncated": _truncated,
    "endless": _endless,
    "announced_huge": _announced_huge,
    "redirect": respond(make_answer(307, b"", location="/elsewhere")),
    "html": respond_body(HTML, content_type="text/html; charset=utf-8"),
    "drip": _drip,
    "mid_header": _mid_header,
    "reset": _reset,
    "close": lambda _conn, _recorded, _request: False,
}


class SmollamaNode:
    """Serves one recording on loopback; every connection has a thread of its own.

    `name` None keeps the recorded node name and with it every recorded byte.
    """

    def __init__(self, fixture: str = "kitchen", name: str | None = None, host: str = "127.0.0.1", port: int = 0,
                 moving: bool = False, seed: int = 0, utc_offset_s: int | None = None, clock_shift_s: float = 0.0):
        """The last two need `moving`: the recorded times are what they are."""
        self.recording = Recording(fixture)
        self.name = name or fixture
        self.host = host
        self.port = port
        self.requests: list[Request] = []
        self.connections = 0
        self._renamed = name
        self._movement = None
        if moving:
            self._movement = Movement(name, seed, utc_offset_s=utc_offset_s, clock_shift_s=clock_shift_s)
        self._behaviours: dict[str, Behaviour] = {}
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()
        self._sockets: set[socket.socket] = set()

    # --- life ---

    def start(self) -> "SmollamaNode":
        listener = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._stopping = threading.Event()
        threading.Thread(target=self._accept, args=(listener, self._stopping), daemon=True).start()
        return self

    def stop(self) -> None:
        """Port closed, connections closed: whoever asks now is refused. `start` opens the same port again."""
        self._stopping.set()
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        with self._lock:
            for sock in self._sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    refuse = stop

    def __enter__(self) -> "SmollamaNode":
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    # --- what tests set and ask ---

    def behave(self, endpoint: str, behaviour: str | Behaviour) -> None:
        """Lets one endpoint, or "*" for all, behave so from the next request on; "off" is the recorded 503."""
        names = ENDPOINTS if endpoint == "*" else (endpoint,)
        for name in names:
            if behaviour == "off":
                chosen = off(name) if name in ("readings", "observations", "memories") else BEHAVIOURS["ok"]
            else:
                chosen = BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour
            with self._lock:
                self._behaviours[name] = chosen

    def count(self, endpoint: str | None = None, since: float = 0.0) -> int:
        """Requests received for one endpoint (None: all), optionally since a monotonic time."""
        return len(self.times(endpoint, since))

    def times(self, endpoint: str | None = None, since: float = 0.0) -> list[float]:
        with self._lock:
            return [r.at for r in self.requests if endpoint in (None, r.endpoint) and r.at >= since]

    def body(self, endpoint: str) -> bytes:
        """The bytes that an agent with its default questions gets from this endpoint (not for a moving node)."""
        query = "?limit=100" if endpoint in ("observations", "memories") else ""
        return self.answer(Request("GET", f"/api/{endpoint}{query}", {})).body

    # --- answers ---

    def answer(self, request: Request) -> Answer:
        """What the real node would say."""
        if request.method not in ("GET",):
            return fallback("err405_head")
        if request.endpoint is None:
            return self._unknown(request)
        recorded = self._recorded(request)
        if recorded is None:
            return fallback("err404")
        if self._movement:
            return self._movement.apply(request.endpoint, recorded)
        return rename(recorded, self._renamed) if self._renamed else recorded

    def _recorded(self, request: Request) -> Answer | None:
        name = request.endpoint
        if name not in ("observations", "memories"):
            return self.recording.answer(name)
        try:
            limit = int(request.query.get("limit", "20"))
        except ValueError:
            return fallback("err422_limit")
        return self.recording.list_answer(name, limit)

    def _unknown(self, request: Request) -> Answer:
        trimmed = request.path.removeprefix("/api/").rstrip("/")
        if request.path.endswith("/") and trimmed in ENDPOINTS:
            return make_answer(307, b"", location=f"{self.url}/api/{trimmed}")
        return fallback("err404")

    # --- wire ---

    def _accept(self, listener: socket.socket, stopping: threading.Event) -> None:
        while True:
            try:
                sock, _peer = listener.accept()
            except OSError:
                return
            with self._lock:
                if stopping.is_set():
                    sock.close()
                    return
                self._sockets.add(sock)
                self.connections += 1
            threading.Thread(target=self._serve, args=(sock, stopping), daemon=True).start()

    def _serve(self, sock: socket.socket, stopping: threading.Event) -> None:
        conn = Connection(sock, stopping)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pending = b""
        try:
            while not stopping.is_set():
                sock.settimeout(IDLE_CLOSE_S)
                request, pending = self._read_request(sock, pending)
                if request is None:
                    return
                sock.settimeout(None)
                if not self._behaviour(request)(conn, self.answer(request), request):
                    return
                if request.headers.get("connection", "").lower() == "close":
                    return
        except (OSError, ValueError):
            pass  # peer gone, node stopped, or a request line that is none: all part of the play
        finally:
            with self._lock:
                self._sockets.discard(sock)
            sock.close()

    def _read_request(self, sock: socket.socket, pending: bytes) -> tuple[Request | None, bytes]:
        while b"\r\n\r\n" not in pending:
            data = sock.recv(4096)
            if not data or len(pending) > MAX_REQUEST:
                return None, b""
            pending += data
        head, _, rest = pending.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        request = Request(method, target, headers)
        with self._lock:
            self.requests.append(request)
        return request, rest

    def _behaviour(self, request: Request) -> Behaviour:
        with self._lock:
            return self._behaviours.get(request.endpoint or "", BEHAVIOURS["ok"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Replays a recorded Smollama node over HTTP.")
    parser.add_argument("--fixture", default="kitchen", help="folder under tests/fixtures/smollama (default: kitchen)")
    parser.add_argument("--name", help="node name to answer with (default: the recorded one)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port (default)")
    parser.add_argument("--moving", action="store_true", help="timestamps of now and values that walk")
    parser.add_argument("--seed", type=int, default=0, help="another walk for the same name")
    parser.add_argument("--utc-offset", type=int, help="seconds; another time zone than this machine's (--moving)")
    parser.add_argument("--clock-shift", type=float, default=0.0, help="seconds that its clock is off (--moving)")
    parser.add_argument("--behave", action="append", default=[], metavar="ENDPOINT=BEHAVIOUR",
                        help=f"let an endpoint (or *) misbehave: off, {', '.join(sorted(BEHAVIOURS))}")
    args = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    node = SmollamaNode(args.fixture, args.name, args.host, args.port, args.moving, args.seed,
                        args.utc_offset, args.clock_shift)
    for pair in args.behave:
        endpoint, _, behaviour = pair.partition("=")
        node.behave(endpoint, behaviour)
    with node:
        print(node.port, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
