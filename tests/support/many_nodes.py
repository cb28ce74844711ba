"""Very many Smollama nodes in one thread, each behind a port of its own; what their searches do is chosen by node.

    with ManyNodes({"a": "ok", "b": "hang"}) as nodes: nodes["a"].url; nodes.searching = True
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from dataclasses import dataclass, field

LISTS = ("readings", "observations", "memories")


@dataclass
class Node:
    name: str
    behaviour: str  # of its search: ok, slow, error500, hang
    number: int  # its one observation has this id
    socket: socket.socket
    asked: list[float] = field(default_factory=list)  # monotonic, of searches only
    answered: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"


class ManyNodes:
    """`closed`: these names have a port at which nobody listens, until `open_closed`."""

    def __init__(self, behaviours: dict[str, str], slow_s: float = 0.5, closed: tuple[str, ...] = ()):
        self.slow_s = slow_s
        self.closed = set(closed)
        self.searching = False
        self.under_way = self.most_at_once = 0
        self.nodes = {name: Node(name, behaviour, number, self._bind())
                      for number, (name, behaviour) in enumerate(behaviours.items())}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @staticmethod
    def _bind() -> socket.socket:
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        return bound

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __enter__(self) -> "ManyNodes":
        self._thread.start()
        self._listen([node for node in self.nodes.values() if node.name not in self.closed])
        return self

    def __exit__(self, *_details: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for node in self.nodes.values():
            node.socket.close()

    def open_closed(self) -> None:
        self._listen([self.nodes[name] for name in self.closed])

    def _run(self) -> None:
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _listen(self, nodes: list[Node]) -> None:
        async def listen() -> None:
            for node in nodes:
                await asyncio.start_server(lambda r, w, node=node: self._serve(node, r, w), sock=node.socket)
        asyncio.run_coroutine_threadsafe(listen(), self._loop).result()

    async def _serve(self, node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                endpoint = request.split(b" ", 2)[1].decode().partition("?")[0].rsplit("/", 1)[1]
                status, content = await self._answer(node, endpoint, reader)
                writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                             % (status, len(content)) + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, node: Node, endpoint: str, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        if not self.searching or endpoint not in LISTS:
            return 200, self._body(node, endpoint)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        node.asked.append(time.monotonic())
        try:
            if node.behaviour == "hang":
                await reader.read()  # until the other side gives up
                raise ConnectionError
            if node.behaviour == "slow":
                await asyncio.sleep(self.slow_s)
        finally:
            self.under_way -= 1
        node.answered.append(time.monotonic())
        return (500, b"{}") if node.behaviour == "error500" else (200, self._body(node, endpoint))

    def _body(self, node: Node, endpoint: str) -> bytes:
        now = time.strftime("%Y-%m-%dT%H:%M:%S")
        if endpoint == "stats":
            return json.dumps({"node_name": node.name, "timestamp": now, "readings_count": 0}).encode()
        found = [{"id": node.number, "timestamp": now, "text": node.name, "type": "general"}]
        listed = found if endpoint == "observations" and self.searching else []
        return json.dumps({"timestamp": now, "count": len(listed), endpoint: listed}).encode()
