"""Answers recorded from real Smollama nodes, and answers derived from them.

A recording is the status line, the headers and the body as they came over the wire. Everything derived (another limit,
another node name, moving values) keeps the wire format of the real thing: compact JSON, raw UTF-8.
"""

from __future__ import annotations

import datetime
import http
import json
import random
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "smollama"
ENDPOINTS = ("readings", "observations", "memories", "stats", "health")
DEFAULT_LIMIT = 20


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `head` ends with the empty line."""

    head: bytes
    body: bytes

    @property
    def wire(self) -> bytes:
        return self.head + self.body

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def with_body(self, body: bytes) -> "Answer":
        """The same answer with another body; Content-Length follows, all else stays as recorded."""
        lines = self.head.split(b"\r\n")
        length = b"content-length: %d" % len(body)
        lines = [length if line.lower().startswith(b"content-length:") else line for line in lines]
        return Answer(b"\r\n".join(lines), body)

    def with_date(self, when: datetime.datetime) -> "Answer":
        stamp = when.strftime("date: %a, %d %b %Y %H:%M:%S GMT").encode()
        lines = [stamp if line.lower().startswith(b"date:") else line for line in self.head.split(b"\r\n")]
        return Answer(b"\r\n".join(lines), self.body)


def dump(value: object) -> bytes:
    """JSON as FastAPI writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def make_answer(status: int, body: bytes, content_type: str = "application/json", **headers: str) -> Answer:
    """An answer of our own making, with the headers uvicorn would send."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}", f"date: {date}", "server: uvicorn"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", f"content-type: {content_type}", "", ""]
    return Answer("\r\n".join(lines).encode(), body)


class Recording:
    """The answers of one recorded node."""

    def __init__(self, fixture: str, root: Path = FIXTURES):
        self.fixture = fixture
        self.folder = root / fixture
        if not self.folder.is_dir():
            raise ValueError(f"no recording {fixture!r} in {root}")

    def answer(self, name: str) -> Answer | None:
        """The recorded answer of one file stem, such as "readings" or "err404"."""
        head = self.folder / f"{name}.headers"
        if not head.exists():
            return None
        body = next(path for path in (self.folder / f"{name}.json", self.folder / f"{name}.txt") if path.exists())
        return Answer(head.read_bytes(), body.read_bytes())

    def list_answer(self, name: str, limit: int) -> Answer | None:
        """Observations or memories as asked with `limit`; the recorded bytes wherever that limit was recorded."""
        recorded, everything = self.answer(name), self.answer(f"{name}_all")
        if recorded is None or everything is None or recorded.status != 200:
            return recorded
        body = json.loads(everything.body)
        if limit < 0 or limit >= len(body[name]):
            return everything
        if limit == DEFAULT_LIMIT:
            return recorded
        body[name] = body[name][:limit]
        body["count"] = len(body[name])
        return everything.with_body(dump(body))


def fallback(name: str) -> Answer | None:
    """Answers that belong to no one node: the generic errors were recorded once."""
    return Recording("kitchen").answer(name)


def rename(answer: Answer, new_name: str) -> Answer:
    """The same answer from a node of another name."""
    if answer.status != 200:
        return answer
    body = json.loads(answer.body)
    if "node_name" not in body or body["node_name"] == new_name:
        return answer
    body["node_name"] = new_name
    return answer.with_body(dump(body))


OBSERVATION_TEXTS = (
    "The motion sensor (gpio:17) went high while load_avg stayed flat: somebody walked by.",
    "cpu_temp follows load_avg with a delay of about a minute, as usual.",
    "humidity rose 4% since the door switch opened; ventilation is the likelier cause.",
    "Nothing unusual in the lookback window. 静かな朝 ☀",
    "mem_percent is slowly climbing; the growth is linear, not in steps.",
)


class Movement:
    """Lets a recording live: now's timestamps, values that walk, an observation now and then.

    One object per node, so that every endpoint tells the same story.
    """

    def __init__(self, name: str | None, seed: int = 0, observation_every_s: float = 20.0, extra: bool = True,
                 utc_offset_s: int | None = None, clock_shift_s: float = 0.0):
        """`utc_offset_s`: another time zone than this machine's; `clock_shift_s`: a clock that is off by that."""
        self.name = name
        self.utc_offset_s = utc_offset_s
        self.clock_shift_s = clock_shift_s
        self.random = random.Random(f"{name}/{seed}")
        self.observation_every_s = observation_every_s
        self.extra = extra
        self.values: dict[str, float] = {}
        self.added: list[dict] = []
        self.started: datetime.datetime | None = None
        self.last_added: datetime.datetime | None = None

    def apply(self, endpoint: str, answer: Answer, now: datetime.datetime | None = None) -> Answer:
        """`now` is naive local time, as Smollama writes it."""
        now = now or self._local_time()
        self.started = self.started or now
        moved = answer.with_date(now.replace(tzinfo=self._zone()).astimezone(datetime.timezone.utc))
        if answer.status != 200:
            return moved
        body = json.loads(answer.body)
        self._add_observations(now)
        handler = getattr(self, f"_{endpoint}", None)
        if handler:
            handler(body, now)
        if self.name and "node_name" in body:
            body["node_name"] = self.name
        if "timestamp" in body:
            body["timestamp"] = now.isoformat()
        return moved.with_body(dump(body))

    def _zone(self) -> datetime.tzinfo | None:
        """None: that of this machine."""
        if self.utc_offset_s is None:
            return None
        return datetime.timezone(datetime.timedelta(seconds=self.utc_offset_s))

    def _local_time(self) -> datetime.datetime:
        shown = datetime.datetime.now(self._zone()) + datetime.timedelta(seconds=self.clock_shift_s)
        return shown.replace(tzinfo=None)

    def _walk(self, full_id: str, start: float, low: float, high: float, step: float, digits: int) -> float:
        value = self.values.get(full_id, start) + self.random.uniform(-step, step)
        self.values[full_id] = min(high, max(low, value))
        return round(self.values[full_id], digits)

    def _readings(self, body: dict, now: datetime.datetime) -> None:
        if self.extra:
            body["readings"] += [
                {"full_id": "dht11:temperature", "value": 0.0, "unit": "celsius", "timestamp": "", "metadata": None},
                {"full_id": "dht11:humidity", "value": 0.0, "unit": "%", "timestamp": "", "metadata": None},
            ]
        for item in body["readings"]:
            item["timestamp"] = now.isoformat()
            item["value"] = self._value(item["full_id"], item["value"])

    def _value(self, full_id: str, recorded: object) -> object:
        walks = {
            "system:cpu_temp": (51.0, 45.0, 60.0, 0.8, 1),
            "system:mem_percent": (38.0, 20.0, 80.0, 0.6, 1),
            "system:load_avg": (0.6, 0.0, 3.9, 0.15, 2),
            "jetson_inference:network_fps": (8.4, 6.0, 12.0, 0.3, 1),
            "dht11:temperature": (21.0, 17.0, 26.0, 0.2, 1),
            "dht11:humidity": (48.0, 35.0, 70.0, 0.8, 0),
        }
        if full_id in walks:
            return self._walk(full_id, *walks[full_id])
        if full_id == "system:cpu_freq":
            return self.random.choice((600.0, 1200.0, 1800.0))
        if full_id == "system:mem_available_mb":
            return int(self._walk(full_id, float(recorded or 2000), 200.0, 32000.0, 40.0, 0))
        if full_id.startswith("gpio:"):
            return int(self.random.random() < 0.3)
        return recorded

    def _add_observations(self, now: datetime.datetime) -> None:
        if self.last_added is None:
            self.last_added = now
        if (now - self.last_added).total_seconds() < self.observation_every_s:
            return
        self.last_added = now
        self.added.insert(0, {
            "timestamp": now.isoformat(), "text": self.random.choice(OBSERVATION_TEXTS),
            "confidence": round(self.random.uniform(0.5, 1.0), 2),
            "type": self.random.choice(("general", "anomaly", "correlation")),
            "related_sources": ["system:cpu_temp"], "similarity": None})

    def _observations(self, body: dict, now: datetime.datetime) -> None:
        first_new = max((item["id"] for item in body["observations"]), default=0) + 1
        ids = range(first_new + len(self.added) - 1, first_new - 1, -1)
        fresh = [{"id": number, **item} for number, item in zip(ids, self.added)]
        newest = max((item["timestamp"] for item in body["observations"]), default=None)
        if newest:  # the recorded ones end an hour before the node came up, their distances kept
            shift = self.started - datetime.timedelta(hours=1) - datetime.datetime.fromisoformat(newest)
            for item in body["observations"]:
                item["timestamp"] = (datetime.datetime.fromisoformat(item["timestamp"]) + shift).isoformat()
        body["observations"] = fresh + body["observations"]
        body["count"] = len(body["observations"])

    def _stats(self, body: dict, now: datetime.datetime) -> None:
        if "observations_count" in body:
            body["observations_count"] += len(self.added)
        if self.extra and "source_count" in body:
            body["source_count"] += 2
            body["source_types"] = body["source_types"] + ["dht11"]


def edge_messages(name: str) -> list[tuple[str, bytes]]:
    """Recorded edge lines `topic payload` as (topic, payload); `name` is edge-01, edge-nan or edge-types."""
    lines = (FIXTURES / "edge" / f"{name}.readings.txt").read_bytes().split(b"\n")
    return [(topic.decode(), payload) for topic, _, payload in (line.partition(b" ") for line in lines if line)]
