"""What is refused is said once, with the topic it came on."""

import json

import pytest

from tests.support.fake_agent import readings_body

GOOD = readings_body({"a:b": 1})


def envelope(fake, body=GOOD, **fields):
    head = {"v": 1, "node": fake.node, "kind": "readings", "session": fake.session, "seq": 1000,
            "captured_at": "2026-11-23T08:00:00.000Z", "utc_offset_s": 0, **fields}
    return json.dumps(head, separators=(",", ":"))[:-1].encode() + b',"body":' + body + b"}"


FORBIDDEN = GOOD.replace(b'{"full_id"', b'{"node":"other","full_id"')
PAYLOADS = {
    "not_json": lambda fake: b"nope",
    "not_utf8": lambda fake: envelope(fake, readings_body({"a:b": b'"\xff"'})),
    "too_deep": lambda fake: envelope(fake, readings_body({"a:b": b"[" * 900 + b"]" * 900})),
    "too_large": lambda fake: envelope(fake, readings_body({"a:b": "x" * 1_020_000})),
    "bad_type": lambda fake: b"[]",
    "bad_body": lambda fake: envelope(fake, b"{}"),
    "forbidden_key": lambda fake: envelope(fake, FORBIDDEN),
    "too_many": lambda fake: envelope(fake, readings_body({f"a:{i}": i for i in range(5000)})),
    "wrong_node": lambda fake: envelope(fake, node="other"),
}


@pytest.fixture
def llamad(stack):
    return stack.llamad()


@pytest.mark.parametrize("reason", PAYLOADS)
def test_refusal_is_logged_with_topic_and_reason(stack, llamad, reason):
    fake = stack.fake_agent(f"pi-{reason}").come_alive()
    llamad.wait_node(fake.node, "online")
    fake.publish("readings", PAYLOADS[reason](fake))
    line = llamad.wait_log(fake.topic("readings"))
    assert reason in line and "warning" in line


def test_superseded_session_is_logged(stack, llamad):
    old = stack.fake_agent("pi-twice").come_alive()
    llamad.wait_node("pi-twice", "online")
    stack.fake_agent("pi-twice").come_alive()
    old.readings({"a:b": 1})
    assert "old_session" in llamad.wait_log("alpaca/pi-twice/readings")


def test_bad_name_is_logged_escaped(stack, llamad):
    stack.fake_agent("\u202eevil").heartbeat()
    line = llamad.wait_log("bad_name")
    assert "evil" in line and "\u202e" not in line


def test_the_same_refusal_is_logged_once_a_minute(stack, llamad):
    fake = stack.fake_agent("pi-noisy").come_alive()
    llamad.wait_node("pi-noisy", "online")
    for _ in range(100):
        fake.publish("readings", b"nope")
    llamad.wait_log("alpaca/pi-noisy/readings")
    fake.readings({"done:done": 1})
    llamad.wait_node("pi-noisy", "online", counts={"readings": 1, "observations": 3, "memories": 2})
    assert llamad.log.count("alpaca/pi-noisy/readings") == 1


def test_one_nodes_refusals_do_not_silence_anothers(stack, llamad):
    names = [f"pi-{i}" for i in range(40)]
    for name in names:
        stack.mqtt.publish(f"alpaca/{name}/readings", b"nope", wait=False)
    for name in names:
        llamad.wait_log(f"alpaca/{name}/readings")
