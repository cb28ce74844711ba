"""Speaks the agents' side of MQTT, right or wrong, without being one."""

from __future__ import annotations

import datetime
import json
import uuid

from tests.support.mqtt_client import MqttClient

RETAIN_S = 7 * 24 * 3600


def utc_now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def readings_body(values: dict[str, object], timestamp: str | None = None, unit: str | None = "celsius") -> bytes:
    """An /api/readings answer; a value given as bytes is put there as it stands."""
    when = timestamp or datetime.datetime.now().isoformat()
    items = []
    for full_id, value in values.items():
        text = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        head = json.dumps({"full_id": full_id}, separators=(",", ":"), ensure_ascii=False)[:-1].encode()
        tail = json.dumps({"unit": unit, "timestamp": when, "metadata": None}, separators=(",", ":"))[1:].encode()
        items.append(head + b',"value":' + text + b"," + tail)
    return b'{"timestamp":"' + when.encode() + b'","readings":[' + b",".join(items) + b"]}"


def stats_body(node_name: str, **fields: object) -> bytes:
    body = {"node_name": node_name, "timestamp": datetime.datetime.now().isoformat(), "readings_count": 7,
            "observations_count": 3, "memories_count": 2, "vector_search_enabled": False, "source_types": ["system"],
            "source_count": 1, **fields}
    return json.dumps(body, separators=(",", ":")).encode()


class FakeAgent:
    """One node's agent. Heartbeats are sent when the test says so."""

    def __init__(self, mqtt: MqttClient, node: str, base: str = "alpaca", interval_s: float = 60,
                 url: str | None = None, kind: str = "alpaca"):
        self.mqtt, self.node, self.base, self.interval_s, self.url, self.kind = mqtt, node, base, interval_s, url, kind
        self.session = uuid.uuid4().hex[:16]
        self.beat = 0
        self.seq = {name: 0 for name in ("readings", "observations", "memories", "stats")}

    def topic(self, leaf: str) -> str:
        return f"{self.base}/{self.node}/{leaf}"

    def publish(self, leaf: str, payload: bytes | dict, retain: bool = True) -> None:
        self.mqtt.publish(self.topic(leaf), payload, retain=retain, expiry=RETAIN_S if retain else None,
                          user={"expiry": str(RETAIN_S)} if retain else None)

    def status(self, state: str = "online", **fields: object) -> None:
        self.publish("status", {"state": state, "session": self.session, "at": utc_now(), **fields})

    def heartbeat(self, **fields: object) -> dict:
        """Publishes the next heartbeat; `fields` replace its own (None in JSON is None here)."""
        self.beat += 1
        payload = {
            "v": 1, "node": self.node, "type": self.kind, "session": self.session, "seq": self.beat, "at": utc_now(),
            "version": "0.1.0", "uptime_s": self.beat, "interval_s": self.interval_s, "url": self.url,
            "utc_offset_s": utc_offset_s(), "labels": {},
            "source": {"kind": "smollama", "node_name": self.node, "ok": True, "error": None, "since": utc_now(),
                       "latency_ms": 3},
            "snapshots": {name: {"seq": number, "captured_at": utc_now(), "interval_s": 5, "error": None}
                          for name, number in self.seq.items() if number},
        }
        payload.update(fields)
        self.publish("health", payload)
        return payload

    def report(self, kind: str, body: bytes, **fields: object) -> dict:
        """Publishes a report with this body; `fields` replace those of the envelope."""
        self.seq[kind] += 1
        envelope = {"v": 1, "node": self.node, "kind": kind, "session": self.session, "seq": self.seq[kind],
                    "captured_at": utc_now(), "utc_offset_s": utc_offset_s(), **fields}
        head = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)[:-1].encode()
        self.publish(kind, head + b',"body":' + body + b"}")
        return envelope

    def readings(self, values: dict[str, object], **fields: object) -> dict:
        return self.report("readings", readings_body(values), **fields)

    def come_alive(self, values: dict[str, object] | None = None) -> "FakeAgent":
        """What an agent sends first: online, a heartbeat, readings and stats."""
        self.status()
        self.heartbeat()
        self.readings(values or {"system:cpu_temp": 45.5})
        self.report("stats", stats_body(self.node))
        return self


def utc_offset_s() -> int:
    offset = datetime.datetime.now().astimezone().utcoffset()
    return int(offset.total_seconds()) if offset else 0
