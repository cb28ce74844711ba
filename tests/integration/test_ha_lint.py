"""`llamad ha-lint`: what Home Assistant would refuse, and why."""

import json
import subprocess

import pytest

from tests.integration.test_home_assistant import body, node_of, reading
from tests.support.processes import LLAMAD, ROOT
from tests.support.waiting import wait_until

FIXTURES = ROOT / "tests" / "fixtures" / "smollama"


def lint(*paths):
    run = subprocess.run([LLAMAD, "ha-lint", *paths], capture_output=True, text=True, timeout=30)
    return run.returncode, run.stdout.splitlines(), run.stderr


@pytest.mark.parametrize("fixture", sorted(path.name for path in FIXTURES.iterdir()))
def test_nothing_of_the_fixtures_is_refused(fixture):
    status, lines, errors = lint(FIXTURES / fixture)
    assert (status, errors) == (0, ""), lines
    assert lines[-1].endswith(" 0 refused")
    if fixture in ("kitchen", "edge"):
        assert int(lines[-1].split()[2]) > 20, "entities were made"


def test_what_is_shown_otherwise_is_noted(tmp_path):
    path = tmp_path / "readings.json"
    path.write_bytes(body(reading("a:none", None), reading("a:cm", None, "cm"), reading("a:odd", 1, "furlong"),
                          reading("a:long", "x" * 256), reading("a:list", []), reading("_node", 1), reading("a:fine", 1, "celsius")))
    status, lines, _ = lint(path)
    notes = [line.removeprefix(f"{path}: note: ").split(": ", 1) for line in lines[:-1]]
    assert status == 0
    assert dict(notes) == {
        "a:none": "has neither value nor unit: announced with its first value", "a:cm": "has no value: unknown",
        "a:odd": "a unit that Home Assistant knows no device class for: shown as it is",
        "a:long": "the first 255 characters are shown", "_node": "left out: the name is taken",
        "a:list": "a list or an object: shown as JSON, the first 255 characters"}


GOOD = {"device": {"identifiers": ["x"], "name": "X"}, "origin": {"name": "o"}, "state_topic": "a/b", "components": {
    "t": {"platform": "sensor", "unique_id": "u", "device_class": "temperature", "unit_of_measurement": "°C"}}}


def changed(path, value):
    """GOOD with one thing changed; None removes it."""
    document = json.loads(json.dumps(GOOD))
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@pytest.mark.parametrize("path, value, why", [
    (("qos",), 1, "an unknown key at the root"), (("device", "colour"), "red", "an unknown key of the device"),
    (("device",), None, "no device, or no origin"), (("device", "identifiers"), None, "a device without identifiers"),
    (("origin", "name"), None, "an origin without name"), (("components",), {}, "no components"),
    (("device", "configuration_url"), "ftp://x", "a configuration_url that is none"),
    (("components", "t", "unique_id"), None, "a component without unique_id"),
    (("components", "t", "platform"), "light", "a component without a platform that is known"),
    (("components", "a b"), {"platform": "sensor"}, "a component key with other characters than A-Z, a-z, 0-9, _ and -"),
    (("components", "t", "unit_of_measurement"), "celsius", "a unit_of_measurement that does not fit its device_class"),
    (("components", "t", "device_class"), "warmth", "an unknown device_class"),
    (("components", "t", "device_class"), "timestamp", "a timestamp has neither unit_of_measurement nor state_class"),
    (("components", "t", "state_class"), "often", "an unknown state_class"),
    (("components", "t", "object_id"), "x", "a key that Home Assistant drops"),
    (("components", "t", "entity_category"), "config", "an entity_category other than diagnostic"),
    (("components", "t", "availability_mode"), "some", "an unknown availability_mode"),
    (("components", "t", "default_entity_id"), "light.x", "a default_entity_id of another domain, or with other characters "
     "than a-z, 0-9 and _"),
    (("state_topic",), None, "no state_topic"),
])
def test_each_rule_is_told_by_its_reason(tmp_path, path, value, why):
    message = tmp_path / "message.json"
    message.write_text(json.dumps(GOOD))
    assert lint(message)[0] == 0
    message.write_text(json.dumps(changed(path, value)))
    status, lines, _ = lint(message)
    assert status == 1 and any(line.endswith(f": {why}") for line in lines), lines


def test_root_list_beside_a_single_topic_is_refused(tmp_path):
    document = changed(("availability",), [{"topic": "x"}])
    document["components"]["t"]["availability_topic"] = "y"
    message = tmp_path / "message.json"
    message.write_text(json.dumps(document))
    assert any("availability and availability_topic" in line for line in lint(message)[1])


def test_seen_messages_of_a_running_llamad_are_fine(stack, tmp_path):
    """And a topic that Home Assistant does not subscribe to is not."""
    stack.llamad()
    client = stack.mqtt_client("homeassistant/#")
    node_of(stack, "pi 🦙", reading("a:b\n", 1, "celsius"), reading("c", True))
    wait_until(lambda: len(client.messages()) >= 2, 20, "the messages")
    path = tmp_path / "seen"
    path.write_bytes(b"".join(m.topic.encode() + b" " + m.payload + b"\n" for m in client.messages()))
    status, lines, _ = lint(path)
    assert status == 0 and lines[-1].startswith("2 messages"), lines
    path.write_bytes(b"homeassistant/device/a b/config " + json.dumps(GOOD).encode())
    assert any("a topic that is not subscribed to" in line for line in lint(path)[1])


def test_what_is_neither_is_said(tmp_path):
    path = tmp_path / "x"
    path.write_text("hello")
    assert lint(path)[0] == 1 and "neither readings nor discovery messages" in lint(path)[2]
    assert lint(tmp_path / "missing")[0] == 1
    assert lint()[0] == 64 and lint("--help")[0] == 0
