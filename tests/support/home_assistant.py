"""Plays Home Assistant: takes discovery messages by the rules of its MQTT integration, and shows what its entities would.

Every rule that its log would tell of is a complaint here; `HomeAssistant.complaints` is to stay empty.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field

from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.support.mqtt_client import Message, MqttClient

ROOT_KEYS = {"device", "origin", "components", "availability", "availability_mode", "availability_topic",
             "availability_template", "payload_available", "payload_not_available", "state_topic", "command_topic"}
DEVICE_KEYS = {"identifiers", "connections", "name", "manufacturer", "model", "model_id", "sw_version", "hw_version",
               "serial_number", "suggested_area", "configuration_url", "via_device"}
ORIGIN_KEYS = {"name", "sw_version", "support_url"}
COMMON_KEYS = {"platform", "unique_id", "name", "default_entity_id", "device_class", "state_topic", "value_template",
               "availability", "availability_mode", "availability_topic", "entity_category", "icon", "enabled_by_default",
               "json_attributes_topic", "json_attributes_template"}
COMPONENT_KEYS = {"sensor": COMMON_KEYS | {"unit_of_measurement", "state_class", "suggested_display_precision"},
                  "binary_sensor": COMMON_KEYS | {"payload_on", "payload_off"}}
UNITS = {"temperature": {"°C", "°F", "K"}, "humidity": {"%"}, "frequency": {"Hz", "kHz", "MHz", "GHz"},
         "data_size": {"bit", "kbit", "B", "kB", "MB", "GB", "TB"}, "distance": {"km", "m", "cm", "mm"},
         "duration": {"d", "h", "min", "s", "ms"}, "timestamp": set()}
BINARY_CLASSES = {"connectivity", "problem", "running"}
STATE_CLASSES = {"measurement", "total", "total_increasing"}
ID = re.compile(r"[a-zA-Z0-9_-]+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Refused(Exception):
    """The whole message is."""


def require(condition: object, why: str) -> None:
    if not condition:
        raise Refused(why)


def strict_json(payload: bytes) -> object:
    """As orjson, Home Assistant's reader, has it: no halves of surrogate pairs, nothing beyond a double."""
    def no(name: str) -> object:
        raise ValueError(f"{name} is no JSON")

    def finite(digits: str) -> float:
        return float(digits) if math.isfinite(float(digits)) else no(digits)
    value = json.loads(payload, parse_constant=no, parse_float=finite)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def check_device(device: object, origin: object) -> None:
    require(isinstance(device, dict) and isinstance(origin, dict), "device and origin are needed")
    require(device.get("identifiers") or device.get("connections"), "a device needs identifiers")
    require(set(device) <= DEVICE_KEYS, f"unknown keys of the device: {set(device) - DEVICE_KEYS}")
    require(all(device.values()) and all(origin.values()), "null or empty values of device or origin")
    require(origin.get("name") and set(origin) <= ORIGIN_KEYS, "the origin")
    url = device.get("configuration_url", "http://x")
    require(re.fullmatch(r"https?://\S+", url), f"configuration_url {url}")


def check_document(topic: str, payload: bytes) -> tuple[dict, list[str]]:
    """The document, and complaints about single components. Raises Refused."""
    levels = topic.split("/")
    require(len(levels) in (4, 5) and levels[1] == "device" and levels[-1] == "config", f"topic {topic}")
    require(all(ID.fullmatch(level) for level in levels[2:-1]), f"ids in {topic}")
    document = strict_json(payload)
    require(isinstance(document, dict) and set(document) <= ROOT_KEYS, f"unknown keys: {set(document) - ROOT_KEYS}")
    check_device(document.get("device"), document.get("origin"))
    require(isinstance(document.get("components"), dict) and document["components"], "components are needed")
    complaints = []
    for key, component in document["components"].items():
        require(ID.fullmatch(key), f"component key {key!r}")
        require(isinstance(component, dict) and component.get("platform") in COMPONENT_KEYS, f"platform of {key}")
        if set(component) == {"platform"}:
            continue
        require(component.get("unique_id"), f"{key} has no unique_id")
        require(None not in component.values(), f"null in {key}")
        complaints += [f"{topic}: {key}: {why}" for why in check_component(document, component)]
    return document, complaints


def check_component(document: dict, component: dict) -> list[str]:
    platform = component["platform"]
    kind, unit, state_class = (component.get(k) for k in ("device_class", "unit_of_measurement", "state_class"))
    wrong = []
    if extra := set(component) - COMPONENT_KEYS[platform]:
        wrong.append(f"keys that are dropped: {extra}")
    if ("availability" in component or "availability" in document) and (
            "availability_topic" in component or "availability_topic" in document):
        wrong.append("availability and availability_topic")
    if component.get("availability_mode", "latest") not in ("all", "any", "latest"):
        wrong.append("availability_mode")
    if platform == "binary_sensor" and kind is not None and kind not in BINARY_CLASSES:
        wrong.append(f"device_class {kind}")
    if platform == "sensor" and kind is not None and (kind not in UNITS or (unit not in UNITS[kind] if UNITS[kind] else unit)):
        wrong.append(f"unit {unit} of device_class {kind}")
    if unit is not None and (not isinstance(unit, str) or not unit.strip()):
        wrong.append(f"unit {unit!r}")
    if state_class is not None and (state_class not in STATE_CLASSES or kind == "timestamp"):
        wrong.append(f"state_class {state_class}")
    if component.get("entity_category", "diagnostic") != "diagnostic":
        wrong.append("entity_category")
    if not (component.get("state_topic") or document.get("state_topic")):
        wrong.append("no state_topic")
    entity = component.get("default_entity_id", f"{platform}.x")
    if not re.fullmatch(rf"{platform}\.[a-z0-9_]+", entity) or len(entity) > 255:
        wrong.append(f"default_entity_id {entity}")
    if not component.get("name", "x").strip():
        wrong.append("name")
    return wrong


@dataclass
class Entity:
    key: str
    config: dict
    document: dict
    state: str | None = None  # None: unknown
    attributes: dict = field(default_factory=dict)
    available: dict[str, bool] = field(default_factory=dict)

    @property
    def is_available(self) -> bool:
        topics = [entry["topic"] for entry in self.config.get("availability", [])]
        return all(self.available.get(topic, False) for topic in topics)


class HomeAssistant:
    """Fed with messages in their order; `entities` by unique_id."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.devices: dict[str, dict] = {}  # by topic
        self.entities: dict[str, Entity] = {}
        self.last: dict[str, bytes] = {}
        self.env = ImmutableSandboxedEnvironment()
        self.env.filters["to_json"] = lambda value: json.dumps(value, ensure_ascii=False)
        self.templates: dict[str, object] = {}

    def take(self, message: Message) -> "HomeAssistant":
        if message.topic.startswith("homeassistant/device/"):
            self._config(message.topic, message.payload)
        else:
            for entity in self.entities.values():
                self._message(entity, message.topic, message.payload)
            self.last[message.topic] = message.payload
            if not message.payload:
                del self.last[message.topic]
        return self

    def take_all(self, client: MqttClient) -> "HomeAssistant":
        for message in client.messages():
            self.take(message)
        return self

    def device(self, name: str) -> dict:
        return {d["device"]["name"]: d for d in self.devices.values()}[name]

    def of(self, name: str) -> dict[str, Entity]:
        """The entities of a device, by what people see."""
        document = self.device(name)
        return {e.config["name"]: e for e in self.entities.values() if e.document["device"] == document["device"]}

    def _config(self, topic: str, payload: bytes) -> None:
        if not payload:
            gone = self.devices.pop(topic, None)
            for unique_id in [u for u, e in self.entities.items() if gone and e.document["device"]["identifiers"] == gone["device"]["identifiers"]]:
                del self.entities[unique_id]
            return
        try:
            document, complaints = check_document(topic, payload)
        except (Refused, ValueError) as e:
            self.complaints.append(f"{topic}: {e}")
            return
        self.complaints += complaints
        before = self.devices.get(topic)
        if before:
            for key, component in before["components"].items():
                now = document["components"].get(key)
                if "unique_id" in component and now is None:
                    self.complaints.append(f"{topic}: {key} was left out without being removed")
                elif "unique_id" in component and set(now) == {"platform"}:
                    self.entities.pop(component["unique_id"], None)
        via = document["device"].get("via_device")
        if via and not any(via in d["device"]["identifiers"] for d in self.devices.values()):
            self.complaints.append(f"{topic}: via_device {via} is not known")
        self.devices[topic] = document
        for key, component in document["components"].items():
            if "unique_id" in component:
                self._entity(topic, key, component, document)

    def _entity(self, topic: str, key: str, component: dict, document: dict) -> None:
        unique_id = component["unique_id"]
        known = self.entities.get(unique_id)
        if known and known.document["device"]["identifiers"] != document["device"]["identifiers"]:
            self.complaints.append(f"{topic}: {unique_id} is another device's")
            return
        entity = self.entities[unique_id] = Entity(key, component, document)
        for seen, payload in self.last.items():
            self._message(entity, seen, payload)

    def _render(self, template: str, payload: bytes) -> str:
        if template not in self.templates:
            self.templates[template] = self.env.from_string(template)
        values = {"value": payload.decode()}
        if payload:  # what is no JSON leaves value_json undefined
            values["value_json"] = strict_json(payload)
        return self.templates[template].render(values).strip()

    def _message(self, entity: Entity, topic: str, payload: bytes) -> None:
        config = entity.config
        if topic in [entry["topic"] for entry in config.get("availability", [])] and payload in (b"online", b"offline"):
            entity.available[topic] = payload == b"online"
        try:
            if topic == (config.get("state_topic") or entity.document.get("state_topic")):
                template = config.get("value_template")
                self._state(entity, self._render(template, payload) if template else payload.decode())
            if topic == config.get("json_attributes_topic"):
                entity.attributes = json.loads(self._render(config["json_attributes_template"], payload))
                if len(json.dumps(entity.attributes, ensure_ascii=False).encode()) > 16384:
                    self.complaints.append(f"{config['unique_id']}: attributes above 16 KiB")
        except Exception as e:  # whatever a template does, Home Assistant logs it
            self.complaints.append(f"{config['unique_id']}: {type(e).__name__}: {e}")

    def _state(self, entity: Entity, text: str) -> None:
        config = entity.config
        if config["platform"] == "binary_sensor":
            known = {config.get("payload_on", "ON"): "on", config.get("payload_off", "OFF"): "off", "None": None}
            if text in known:
                entity.state = known[text]
            else:
                self.complaints.append(f"{config['unique_id']}: {text!r} is neither on nor off")
            return
        entity.state = None if text == "None" else text
        if entity.state is None:
            return
        if len(text) > 255:
            self.complaints.append(f"{config['unique_id']}: a state of {len(text)} characters")
        if config.get("device_class") == "timestamp" and not TIME.fullmatch(text):
            self.complaints.append(f"{config['unique_id']}: no time: {text}")
        if "state_class" in config or "unit_of_measurement" in config:
            try:
                float(text)
                if text.lower() in ("nan", "inf", "-inf", "infinity"):
                    raise ValueError
            except ValueError:
                self.complaints.append(f"{config['unique_id']}: no number: {text}")
