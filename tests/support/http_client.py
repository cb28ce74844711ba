"""A small HTTP client: one connection per request, and raw bytes where a proper client would refuse."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import urllib.parse
from dataclasses import dataclass


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        return self.json["error"]["code"]


class Http:
    """Talks to one server at host:port."""

    def __init__(self, host: str, port: int, timeout: float = 10.0):
        self.host, self.port, self.timeout = host, port, timeout
        #: Sent where a request says nothing else.
        self.defaults: dict[str, str] = {}
        #: Speak TLS, and trust whom this one does.
        self.tls: ssl.SSLContext | None = None

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None,
                **params: object) -> Response:
        """`params` values that are lists are repeated; the path is sent as it is."""
        if params:
            path += ("&" if "?" in path else "?") + urllib.parse.urlencode(params, doseq=True)
        conn = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout) if self.tls is None else \
            http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.tls)
        try:
            skip_host = headers is not None and any(name.lower() == "host" for name in headers)
            conn.putrequest(method, path, skip_host=skip_host, skip_accept_encoding=True)
            given = self.defaults if headers is None else headers
            for name, value in given.items():
                conn.putheader(name, value)
            if body is not None:
                conn.putheader("Content-Length", str(len(body)))
            conn.endheaders(body)
            answer = conn.getresponse()
            return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            conn.close()

    def get(self, path: str, headers: dict[str, str] | None = None, **params: object) -> Response:
        return self.request("GET", path, headers, **params)

    def get_json(self, path: str, **params: object) -> dict:
        answer = self.get(path, **params)
        assert answer.status == 200, f"GET {path} {params}: {answer.status} {answer.body[:300]!r}"
        return answer.json

    def raw(self, data: bytes, timeout: float = 5.0) -> bytes:
        """Sends these bytes and reads until the server closes, a whole answer is there, or `timeout` is over."""
        deadline = time.monotonic() + timeout
        with socket.create_connection((self.host, self.port), timeout=timeout) as sock:
            received = b""
            try:
                sock.sendall(data)
                while not _complete(received) and (left := deadline - time.monotonic()) > 0:
                    sock.settimeout(left)
                    chunk = sock.recv(65536)
                    if not chunk:
                        break
                    received += chunk
            except (TimeoutError, ConnectionError):
                pass
            return received

    def raw_status(self, data: bytes, timeout: float = 5.0) -> int | None:
        """The status of the first answer to raw bytes; None when the connection was closed without one."""
        received = self.raw(data, timeout)
        return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.") else None


def _complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return False
