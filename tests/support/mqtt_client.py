"""An MQTT 5 client for tests: collects what it subscribed to, and publishes with properties."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.support.waiting import wait_until


@dataclass
class Message:
    topic: str
    payload: bytes
    retain: bool
    qos: int
    expiry: int | None
    user: dict[str, str]
    at: float

    @property
    def json(self) -> dict:
        return json.loads(self.payload)


class MqttClient:
    """Connected to a broker on loopback; its network thread runs until `close`."""

    def __init__(self, port: int, host: str = "127.0.0.1", client_id: str = "", username: str | None = None,
                 password: str | None = None, ca: Path | None = None, cert: tuple[Path, Path] | None = None):
        self._messages: list[Message] = []
        self._lock = threading.Lock()
        self._subscribed: set[int] = set()
        self._connected = threading.Event()
        self.client = paho.Client(client_id=client_id, protocol=paho.MQTTv5)
        self.client.max_inflight_messages_set(1000)
        if username is not None:
            self.client.username_pw_set(username, password)
        if ca is not None:
            self.client.tls_set(str(ca), *(map(str, cert) if cert else ()))
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_args: self._connected.clear()
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda _c, _u, mid, _codes, _p: self._subscribed.add(mid)
        self.refusal: str | None = None
        self.client.connect(host, port, keepalive=30, clean_start=True)
        # By hand until the broker has answered: the thread would try again what was refused.
        wait_until(lambda: self.client.loop(0.02) or self._connected.is_set() or self.refusal, 5,
                   "the broker answered the test client")
        if self.refusal or not self._connected.is_set():
            raise ConnectionRefusedError(self.refusal)
        self.client.loop_start()

    def _on_connect(self, _client, _userdata, _flags, code, _properties) -> None:
        if code == 0:
            self._connected.set()
        else:
            self.refusal = str(code)

    def _on_message(self, _client, _userdata, message) -> None:
        properties = message.properties
        expiry = getattr(properties, "MessageExpiryInterval", None)
        user = dict(getattr(properties, "UserProperty", []))
        with self._lock:
            self._messages.append(Message(message.topic, message.payload, bool(message.retain), message.qos, expiry,
                                          user, time.monotonic()))

    def subscribe(self, *topics: str, as_published: bool = True) -> "MqttClient":
        """Waits for the SUBACK. With `as_published` the retain flag is the publisher's, not the broker's."""
        for topic in topics:
            options = SubscribeOptions(qos=1, retainAsPublished=as_published)
            _result, mid = self.client.subscribe(topic, options=options)
            wait_until(lambda: mid in self._subscribed, 5, f"subscription to {topic}")
        return self

    def publish(self, topic: str, payload: bytes | str | dict, retain: bool = False, qos: int = 1,
                expiry: int | None = None, user: dict[str, str] | None = None, wait: bool = True) -> None:
        """Waits for the PUBACK unless told otherwise."""
        if isinstance(payload, dict):
            payload = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
        properties = Properties(PacketTypes.PUBLISH)
        if expiry is not None:
            properties.MessageExpiryInterval = expiry
        for pair in (user or {}).items():
            properties.UserProperty = pair
        info = self.client.publish(topic, payload, qos, retain, properties=properties)
        if wait:
            info.wait_for_publish(5)

    def messages(self, topic: str | None = None, since: float = 0.0) -> list[Message]:
        """What has arrived; `topic` may be a filter with wildcards, `since` a monotonic time."""
        with self._lock:
            return [m for m in self._messages
                    if m.at >= since and (topic is None or paho.topic_matches_sub(topic, m.topic))]

    def wait_for(self, topic: str, predicate: Callable[[Message], bool] = lambda _m: True, timeout: float = 10.0,
                 since: float = 0.0) -> Message:
        """The first message on `topic` (wildcards allowed) that fits."""
        def find() -> Message | None:
            return next((m for m in self.messages(topic, since) if predicate(m)), None)
        return wait_until(find, timeout, f"message on {topic}")

    def wait_count(self, topic: str, count: int, timeout: float = 10.0, since: float = 0.0) -> list[Message]:
        def enough() -> list[Message] | None:
            found = self.messages(topic, since)
            return found if len(found) >= count else None
        return wait_until(enough, timeout, f"{count} messages on {topic}")

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
