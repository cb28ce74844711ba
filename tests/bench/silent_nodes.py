"""Many nodes behind one port, for the polling bench: http://127.0.0.1:PORT/<name>/api/… answers as that node.

    python3 -m tests.bench.silent_nodes     prints the port; nodes named hang-* never answer
"""

from __future__ import annotations

import asyncio
import json
import sys


def body(name: str, endpoint: str) -> bytes:
    now = "2026-01-02T03:04:05.678901"
    answers = {
        "stats": {"node_name": name, "timestamp": now, "readings_count": 20, "observations_count": 1, "memories_count": 0},
        "readings": {"timestamp": now, "readings": [
            {"full_id": f"sensor:channel_{i:02d}", "value": 20 + i, "unit": "celsius", "timestamp": now, "metadata": None}
            for i in range(20)]},
        "observations": {"query": "", "hours": 0, "count": 1, "observations": [
            {"id": 1, "timestamp": now, "text": "All is well.", "confidence": 0.8, "type": "status", "related_sources": None,
             "similarity": None}]},
        "memories": {"query": "", "count": 0, "memories": []},
    }
    return json.dumps(answers[endpoint], separators=(",", ":")).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while request := await reader.readuntil(b"\r\n\r\n"):
            path = request.split(b" ", 2)[1].decode().partition("?")[0]
            name, endpoint = path.split("/")[1], path.rsplit("/", 1)[1]
            if name.startswith("hang-"):
                await asyncio.sleep(3600)
            content = body(name, endpoint)
            writer.write(b"HTTP/1.1 200 OK\r\ndate: Fri, 02 Jan 2026 03:04:05 GMT\r\ncontent-type: application/json\r\n"
                         b"content-length: %d\r\n\r\n" % len(content) + content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
