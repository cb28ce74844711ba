"""Nodes that send nonsense: refused with a name, counted, and at nobody else's cost."""

import json

import pytest

from tests.support.fake_agent import FakeAgent, readings_body, stats_body
from tests.support.recordings import dump
from tests.support.waiting import hold, wait_until

GOOD = {"system:cpu_temp": 45.5}


@pytest.fixture
def scene(stack):
    llamad = stack.llamad()
    victim = stack.fake_agent("pi").come_alive(GOOD)
    stack.fake_agent("other").come_alive({"a:b": 1})
    for name in ("pi", "other"):
        llamad.wait_node(name, "online")
    wait_until(lambda: values(llamad) == GOOD and values(llamad, "other") == {"a:b": 1}, 3, "good values are in")
    return llamad, victim


def values(llamad, name="pi"):
    return {r["full_id"]: r["value"] for r in llamad.readings(node=name)}


def check_refused(llamad, reason, topic, before):
    """Counted here and there, logged with its topic, the last good value kept, the other node untouched."""
    wait_until(lambda: llamad.reject_count(reason) > before, 5, f"{reason} counted (rejects: {llamad.health()['rejects']})")
    assert llamad.node("pi")["rejects"].get(reason, 0) >= 1
    assert values(llamad) == GOOD
    assert values(llamad, "other") == {"a:b": 1} and llamad.nodes()["other"]["status"] == "online"
    assert not llamad.node("other")["rejects"]
    llamad.wait_log(topic)


def envelope(fake: FakeAgent, body: bytes, **fields) -> bytes:
    head = {"v": 1, "node": fake.node, "kind": "readings", "session": fake.session, "seq": 1000,
            "captured_at": "2026-11-23T08:00:00.000Z", "utc_offset_s": 0, **fields}
    return json.dumps(head, separators=(",", ":"))[:-1].encode() + b',"body":' + body + b"}"


BAD_BODY = readings_body({"system:cpu_temp": 99})
NOT_JSON = [b"{", b"nope", b"\x00", b'{"v":1,}', b'{"v":01}', b'{"v":1.}', b'{"v":"\x01"}', b'{"v":1} x', b"\xef\xbb\xbf{}", b'{"v":+1}',
            b"{'v':1}", b'{"v":"\\ud800"}']


@pytest.mark.parametrize("payload", NOT_JSON)
@pytest.mark.parametrize("leaf", ["readings", "health", "status"])
def test_not_json(scene, leaf, payload):
    llamad, fake = scene
    before = llamad.reject_count("not_json")
    fake.publish(leaf, payload)
    check_refused(llamad, "not_json", f"alpaca/pi/{leaf}", before)
    assert llamad.nodes()["pi"]["status"] == "online"


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"])
def test_not_utf8(scene, text):
    llamad, fake = scene
    before = llamad.reject_count("not_utf8")
    fake.publish("readings", envelope(fake, readings_body({"system:cpu_temp": b'"' + text + b'"'})))
    check_refused(llamad, "not_utf8", "alpaca/pi/readings", before)


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_too_deep(scene, depth):
    llamad, fake = scene
    before = llamad.reject_count("too_deep")
    fake.publish("readings", envelope(fake, readings_body({"a:b": b"[" * depth + b"]" * depth})))
    check_refused(llamad, "too_deep", "alpaca/pi/readings", before)


def test_too_large(scene):
    llamad, fake = scene
    before = llamad.reject_count("too_large")
    fake.publish("readings", envelope(fake, readings_body({f"a:{i}": "x" * 1000 for i in range(1000)})))
    check_refused(llamad, "too_large", "alpaca/pi/readings", before)


WRONG_TYPES = [b"[]", b"1", b'"x"', b"null", b"true", b"{}"]


@pytest.mark.parametrize("payload", WRONG_TYPES)
@pytest.mark.parametrize("leaf", ["readings", "stats", "health", "status"])
def test_wrong_type_of_payload(scene, leaf, payload):
    llamad, fake = scene
    before = llamad.reject_count("bad_type")
    fake.publish(leaf, payload)
    check_refused(llamad, "bad_type", f"alpaca/pi/{leaf}", before)


@pytest.mark.parametrize("fields", [{"v": "1"}, {"v": 2}, {"node": 5}, {"session": None}, {"session": ""}, {"seq": "7"},
                                    {"seq": -1}, {"seq": 1.5}, {"kind": "stats"}, {"kind": 3}, {"session": "x" * 5000}])
def test_wrong_type_in_a_report(scene, fields):
    llamad, fake = scene
    before = llamad.reject_count("bad_type")
    fake.publish("readings", envelope(fake, BAD_BODY, **fields))
    check_refused(llamad, "bad_type", "alpaca/pi/readings", before)


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b'{"readings":{}}', b'{"readings":null}', b"{}"])
def test_wrong_type_of_body(scene, body):
    llamad, fake = scene
    before = llamad.reject_count("bad_type")
    fake.publish("readings", envelope(fake, body))
    check_refused(llamad, "bad_type", "alpaca/pi/readings", before)


@pytest.mark.parametrize("field", [{"seq": "x"}, {"seq": -5}, {"interval_s": "often"}, {"session": 12}, {"source": []},
                                   {"labels": [1]}, {"snapshots": 3}, {"v": 99}, {"seq": 1e300}])
def test_wrong_type_in_a_heartbeat(scene, field):
    llamad, fake = scene
    before = llamad.reject_count("bad_type")
    fake.heartbeat(**field)
    check_refused(llamad, "bad_type", "alpaca/pi/health", before)


@pytest.mark.parametrize("item", [b"1", b'"x"', b"null", b"[]", b"{}", b'{"value":1}', b'{"full_id":7,"value":1}',
                                  b'{"full_id":"","value":1}'])
def test_bad_items_cost_only_themselves(scene, item):
    llamad, fake = scene
    before = llamad.reject_count("bad_type")
    good = b'{"full_id":"good:one","value":1,"unit":null,"timestamp":"2026-11-23T08:00:00","metadata":null}'
    fake.report("readings", b'{"timestamp":"2026-11-23T08:00:00","readings":[' + item + b"," + good + b"]}")
    wait_until(lambda: values(llamad) == {"good:one": 1}, 5, "the good one is taken")
    assert llamad.reject_count("bad_type") == before + 1
    llamad.wait_log("alpaca/pi/readings")


@pytest.mark.parametrize("key", [b'"node":"other"', b'"at":"2030-01-01T00:00:00Z"', b'"\\u006eode":"other"', b'"a\\u0074":1'])
@pytest.mark.parametrize("kind, rest", [
    ("readings", b'"full_id":"evil:one","value":1,"unit":null,"timestamp":"2026-11-23T08:00:00","metadata":null'),
    ("observations", b'"id":666,"timestamp":"2026-11-23T08:00:00","text":"evil","confidence":1,"type":"x"'),
    ("memories", b'"id":666,"text":"evil","times_confirmed":1,"created_at":"2026-11-23 08:00:00"'),
])
@pytest.mark.parametrize("first", [True, False])
def test_no_node_speaks_for_another(scene, kind, rest, key, first):
    llamad, fake = scene
    before = llamad.reject_count("forbidden_key")
    item = b"{" + (key + b"," + rest if first else rest + b"," + key) + b"}"
    body = b'{"timestamp":"2026-11-23T08:00:00","' + kind.encode() + b'":[' + item + b"]}"
    fake.report(kind, body)
    wait_until(lambda: llamad.reject_count("forbidden_key") == before + 1, 5, "forbidden_key counted")
    assert llamad.node("pi")["rejects"]["forbidden_key"] >= 1
    text = llamad.http.get(f"/api/cluster/{kind}").body
    assert b"evil" not in text
    assert values(llamad, "other") == {"a:b": 1}
    llamad.wait_log(f"alpaca/pi/{kind}")


def test_nested_node_and_at_are_fine(scene):
    llamad, fake = scene
    fake.readings({"a:b": {"node": "x", "at": 1}})
    wait_until(lambda: values(llamad) == {"a:b": {"node": "x", "at": 1}}, 3, "keys inside a value are the node's own")


NUMBERS = [b"123456789012345678901234567890", b"0.1000000000000000055511151231257827021181583404541015625", b"-0.0", b"1E400",
           b"1e-400", b"9007199254740993", b"100.0", b"1.50", b"-1E+2"]


@pytest.mark.parametrize("number", NUMBERS)
def test_digits_survive(scene, number):
    llamad, fake = scene
    fake.readings({"n:n": number})
    wait_until(lambda: b'"value":' + number + b"," in llamad.http.get("/api/cluster/readings", node="pi").body, 3,
               "the digits as they were sent")
    assert llamad.http.get("/api/cluster/readings", group="source").status == 200


@pytest.mark.parametrize("text", ["\u0000", "a\u0000b", "\u2028", "<script>alert(1)</script>", "\u202edcba", "😀" * 50, "\\\"\n\t"])
def test_texts_survive(scene, text):
    llamad, fake = scene
    fake.readings({"t:t": text})
    wait_until(lambda: values(llamad) == {"t:t": text}, 3, "the text as it was sent")


def test_five_thousand_readings(scene):
    llamad, fake = scene
    limit = 2000
    before = llamad.reject_count("too_many")
    fake.readings({f"many:{i}": i for i in range(5000)})
    wait_until(lambda: llamad.reject_count("too_many") > before, 5, "too_many counted")
    assert llamad.node("pi")["rejects"]["too_many"] >= 1
    assert len(values(llamad)) <= limit
    assert values(llamad, "other") == {"a:b": 1}
    llamad.wait_log("alpaca/pi/readings")
    fake.readings(GOOD)
    wait_until(lambda: values(llamad) == GOOD, 3, "and back to normal")


def test_reports_of_an_old_session_are_ignored(stack, scene):
    llamad, old = scene
    new = stack.fake_agent("pi").come_alive({"system:cpu_temp": 50})
    wait_until(lambda: values(llamad) == {"system:cpu_temp": 50}, 3, "the new session's readings")
    before = llamad.reject_count("old_session")
    old.readings({"system:cpu_temp": 1})
    wait_until(lambda: llamad.reject_count("old_session") > before, 5, "old_session counted")
    assert values(llamad) == {"system:cpu_temp": 50}
    new.readings({"system:cpu_temp": 51})
    wait_until(lambda: values(llamad) == {"system:cpu_temp": 51}, 3, "the new session goes on")


def test_reports_for_another_node_are_refused(scene):
    llamad, fake = scene
    before = llamad.reject_count("wrong_node")
    fake.publish("readings", envelope(fake, BAD_BODY, node="other"))
    check_refused(llamad, "wrong_node", "alpaca/pi/readings", before)


def test_heartbeat_for_another_node_is_refused(scene):
    llamad, fake = scene
    before = llamad.reject_count("wrong_node")
    fake.heartbeat(node="other")
    check_refused(llamad, "wrong_node", "alpaca/pi/health", before)


def test_known_sequence_is_no_change(scene):
    llamad, fake = scene
    fake.publish("readings", envelope(fake, readings_body(GOOD), seq=fake.seq["readings"]))
    revision = llamad.health()["revision"]
    fake.publish("readings", envelope(fake, BAD_BODY, seq=fake.seq["readings"]))
    hold(lambda: values(llamad) == GOOD, 0.5, "a known (session, seq) changes nothing")
    assert llamad.health()["rejects"] == {} or llamad.health()["revision"] >= revision


STRANGE = [" lead", "trail ", "$sys", ".", "..", "\u202eevil", "zero\u200bwidth", "tab\there", "del\x7f", "n" * 65, "ü" * 33]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("root, leaf", [("alpaca", "health"), ("alpaca", "readings"), ("smollama", "readings")])
def test_strange_names_are_no_nodes(scene, stack, name, root, leaf):
    llamad, fake = scene
    before = llamad.reject_count("bad_name")
    strange = stack.fake_agent(name, base=root)
    if leaf == "health":
        strange.heartbeat()
    else:
        strange.readings(GOOD)
    wait_until(lambda: llamad.reject_count("bad_name") > before, 5, "bad_name counted")
    assert set(llamad.nodes()) == {"pi", "other"}
    line = llamad.wait_log("bad_name") if "bad_name" in llamad.log else llamad.wait_log("name")
    assert "\u202e" not in line and "\x7f" not in line
    fake.readings({"a:b": 9})
    wait_until(lambda: values(llamad) == {"a:b": 9}, 3, "good ones go on")


@pytest.mark.parametrize("topic", ["alpaca/pi/nonsense", "alpaca/pi/readings/more", "alpaca/pi"])
def test_strange_topics_do_no_harm(scene, stack, topic):
    llamad, fake = scene
    stack.mqtt.publish(topic, b'{"x":1}')
    fake.readings({"a:b": 9})
    wait_until(lambda: values(llamad) == {"a:b": 9}, 3, "good ones go on")
    assert set(llamad.nodes()) == {"pi", "other"}


def test_bad_stats_leave_the_last_good_ones(scene):
    llamad, fake = scene
    before = llamad.get("/api/cluster/stats")
    for body in (b"[]", b'{"readings_count":7}', b'{"node_name":1}'):
        fake.report("stats", body)
    wait_until(lambda: llamad.reject_count("bad_type") >= 3, 5, "counted")
    after = llamad.get("/api/cluster/stats")
    assert (after["by_node"], after["totals"]) == (before["by_node"], before["totals"])


@pytest.mark.parametrize("count", [b'"many"', b"-7", b"1e300", b"null", b"1.5", b"[]"])
def test_odd_counts_do_not_spoil_the_sums(scene, count):
    llamad, fake = scene
    body = stats_body("pi").replace(b'"observations_count":3', b'"observations_count":' + count)
    fake.report("stats", body)
    wait_until(lambda: llamad.get("/api/cluster/stats")["by_node"]["pi"].get("observations_count", 3) != 3
               or llamad.health()["rejects"], 3, "taken or counted")
    totals = llamad.get("/api/cluster/stats")["totals"]
    assert totals["observations"] in (3, 6), totals


@pytest.mark.parametrize("field", ["confidence", "type", "text", "timestamp", "related_sources"])
@pytest.mark.parametrize("value", [None, "high", 95, -1.5, [], {"a": 1}])
def test_observations_are_stored_unchecked_upstream(scene, field, value):
    """The LLM writes what it likes: whatever the type of a field, the item is shown as it came."""
    llamad, fake = scene
    item = {"id": 1, "timestamp": "2026-11-23T08:00:00", "text": "t", "confidence": 0.5, "type": "general",
            "related_sources": None, "similarity": None, field: value}
    fake.report("observations", dump({"query": "", "hours": 0, "count": 1, "observations": [item]}))

    def shown() -> bool:
        found = llamad.get("/api/cluster/observations", node="pi")["observations"]
        return len(found) == 1 and {k: v for k, v in found[0].items() if k not in ("node", "at")} == item

    wait_until(shown, 3, "the item as it came")
    assert llamad.http.get("/api/cluster/observations?query=t&obs_type=general&hours=5").status == 200


def test_unreadable_times_are_null_and_last(scene):
    llamad, fake = scene
    items = [{"id": i, "timestamp": stamp, "text": "t", "confidence": 1, "type": "x"}
             for i, stamp in enumerate(["yesterday", "2026-11-23T08:00:00", None, "9999-99-99T00:00:00"])]
    fake.report("observations", dump({"observations": items}), utc_offset_s=0)
    wait_until(lambda: len(llamad.get("/api/cluster/observations")["observations"]) == 4, 3, "all are shown")
    listed = llamad.get("/api/cluster/observations")["observations"]
    assert listed[0]["at"] == "2026-11-23T08:00:00.000Z" and [o["at"] for o in listed[1:]] == [None] * 3
    assert len(llamad.get("/api/cluster/observations", hours=24 * 365 * 50)["observations"]) == 1


def test_rejects_do_not_flood_the_log(scene):
    llamad, fake = scene
    before = len(llamad.log)
    for _ in range(500):
        fake.publish("readings", b"nope\x1b[31m\r\n")
    wait_until(lambda: llamad.reject_count("not_json") >= 500, 10, "all counted")
    grown = llamad.log[before:]
    assert len(grown.splitlines()) < 200 and "\x1b" not in grown
