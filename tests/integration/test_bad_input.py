"""Nodes that send nonsense: refused with a name, counted, and at nobody else's cost."""

import itertools
import json

import pytest

from tests.support.fake_agent import FakeAgent, readings_body, stats_body
from tests.support.recordings import dump
from tests.support.waiting import hold, wait_until

GOOD = {"system:cpu_temp": 45.5}
OTHER = {"a:b": 1}


@pytest.fixture(scope="module")
def bystander(module_stack):
    """One llamad for all these tests, and a node that must never be touched."""
    llamad = module_stack.llamad()
    module_stack.fake_agent("other", interval_s=3600).come_alive(OTHER)
    llamad.wait_node("other", "online")
    wait_until(lambda: values(llamad, "other") == OTHER, 3, "its values are in")
    return llamad


class Scene:
    """llamad, and a node of this test's own that has sent good values."""

    numbers = itertools.count()

    def __init__(self, stack, llamad):
        self.stack, self.llamad = stack, llamad
        self.name = f"pi-{next(self.numbers)}"
        self.fake = stack.fake_agent(self.name).come_alive(GOOD)
        llamad.wait_node(self.name, "online", counts={"readings": 1, "observations": 3, "memories": 2})
        self.before = nonzero(llamad.health()["rejects"])

    def values(self):
        return values(self.llamad, self.name)

    def counted(self, reason):
        return self.llamad.reject_count(reason) - self.before.get(reason, 0)

    def topic(self, leaf):
        return f"alpaca/{self.name}/{leaf}"

    def check_refused(self, reason):
        """Counted here and there, the last good value kept, the other node untouched."""
        self.wait_rejects({reason: 1})
        assert self.counted(reason) == 1
        assert self.values() == GOOD
        self.check_others()

    def wait_rejects(self, expected):
        def counted():
            assert nonzero(self.llamad.node(self.name)["rejects"]) == expected
            return True
        wait_until(counted, 2, f"{expected} counted on the node")

    def check_others(self):
        assert values(self.llamad, "other") == OTHER and self.llamad.nodes()["other"]["status"] == "online"
        assert not nonzero(self.llamad.node("other")["rejects"])

    def check_goes_on(self):
        self.fake.readings({"next:one": 9})
        wait_until(lambda: self.values() == {"next:one": 9}, 3, "good ones go on")


@pytest.fixture
def scene(module_stack, bystander):
    return Scene(module_stack, bystander)


def nonzero(counters):
    return {reason: count for reason, count in counters.items() if count}


def values(llamad, name):
    return {r["full_id"]: r["value"] for r in llamad.readings(node=name)}


def envelope(fake: FakeAgent, body: bytes, **fields) -> bytes:
    head = {"v": 1, "node": fake.node, "kind": "readings", "session": fake.session, "seq": 1000,
            "captured_at": "2026-11-23T08:00:00.000Z", "utc_offset_s": 0, **fields}
    return json.dumps(head, separators=(",", ":"))[:-1].encode() + b',"body":' + body + b"}"


BAD_BODY = readings_body({"system:cpu_temp": 99})
NOT_JSON = [b"{", b"nope", b"\x00", b'{"v":1,}', b'{"v":01}', b'{"v":1.}', b'{"v":"\x01"}', b'{"v":1} x',
            b"\xef\xbb\xbf{}", b'{"v":+1}', b"{'v':1}"]


@pytest.mark.parametrize("payload", NOT_JSON)
@pytest.mark.parametrize("leaf", ["readings", "health", "status"])
def test_not_json(scene, leaf, payload):
    llamad, fake = scene.llamad, scene.fake
    fake.publish(leaf, payload)
    scene.check_refused("not_json")
    assert llamad.nodes()[scene.name]["status"] == "online"


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"])
def test_not_utf8(scene, text):
    scene.fake.publish("readings", envelope(scene.fake, readings_body({"system:cpu_temp": b'"' + text + b'"'})))
    scene.check_refused("not_utf8")


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_too_deep(scene, depth):
    scene.fake.publish("readings", envelope(scene.fake, readings_body({"a:b": b"[" * depth + b"]" * depth})))
    scene.check_refused("too_deep")


def test_too_large(scene):
    scene.fake.publish("readings", envelope(scene.fake, readings_body({"a:b": "x" * 1_020_000})))
    scene.check_refused("too_large")


WRONG_TYPES = [b"[]", b"1", b'"x"', b"null", b"true", b"{}"]


@pytest.mark.parametrize("payload", WRONG_TYPES)
@pytest.mark.parametrize("leaf", ["readings", "stats", "health", "status"])
def test_wrong_type_of_payload(scene, leaf, payload):
    scene.fake.publish(leaf, payload)
    scene.check_refused("bad_type")


@pytest.mark.parametrize("fields", [{"v": "1"}, {"v": 2}, {"node": 5}, {"session": None}, {"session": ""}, {"seq": "7"},
                                    {"seq": -1}, {"seq": 1.5}, {"kind": "stats"}, {"kind": 3}, {"session": "x" * 5000}])
def test_wrong_type_in_a_report(scene, fields):
    scene.fake.publish("readings", envelope(scene.fake, BAD_BODY, **fields))
    scene.check_refused("bad_type")


@pytest.mark.parametrize("body, reason", [
    (b"null", "bad_type"), (b"[]", "bad_type"), (b'"x"', "bad_type"), (b'{"readings":{}}', "bad_body"),
    (b'{"readings":null}', "bad_body"), (b"{}", "bad_body")])
def test_body_that_is_not_the_endpoints(scene, body, reason):
    scene.fake.publish("readings", envelope(scene.fake, body))
    scene.check_refused(reason)


@pytest.mark.parametrize("field", [{"seq": "x"}, {"seq": -5}, {"interval_s": "often"}, {"session": 12}, {"source": []},
                                   {"labels": [1]}, {"snapshots": 3}, {"v": 99}, {"seq": 1e300}])
def test_wrong_type_in_a_heartbeat(scene, field):
    scene.fake.heartbeat(**field)
    scene.check_refused("bad_type")


@pytest.mark.parametrize("item", [b"1", b'"x"', b"null", b"[]", b"{}", b'{"value":1}', b'{"full_id":7,"value":1}',
                                  b'{"full_id":"","value":1}'])
def test_bad_items_cost_only_themselves(scene, item):
    llamad, fake = scene.llamad, scene.fake
    good = b'{"full_id":"good:one","value":1,"unit":null,"timestamp":"2026-11-23T08:00:00","metadata":null}'
    fake.report("readings", b'{"timestamp":"2026-11-23T08:00:00","readings":[' + item + b"," + good + b"]}")
    wait_until(lambda: scene.values() == {"good:one": 1}, 5, "the good one is taken")
    assert scene.counted("bad_type") == 1


@pytest.mark.parametrize("key", [b'"node":"other"', b'"at":"2030-01-01T00:00:00Z"', b'"\\u006eode":"other"',
                                 b'"a\\u0074":1'])
@pytest.mark.parametrize("kind, rest", [
    ("readings", b'"full_id":"evil:one","value":1,"unit":null,"timestamp":"2026-11-23T08:00:00","metadata":null'),
    ("observations", b'"id":666,"timestamp":"2026-11-23T08:00:00","text":"evil","confidence":1,"type":"x"'),
    ("memories", b'"id":666,"text":"evil","times_confirmed":1,"created_at":"2026-11-23 08:00:00"'),
])
@pytest.mark.parametrize("first", [True, False])
def test_no_node_speaks_for_another(scene, kind, rest, key, first):
    llamad, fake = scene.llamad, scene.fake
    item = b"{" + (key + b"," + rest if first else rest + b"," + key) + b"}"
    body = b'{"timestamp":"2026-11-23T08:00:00","' + kind.encode() + b'":[' + item + b"]}"
    fake.report(kind, body)
    wait_until(lambda: scene.counted("forbidden_key") == 1, 5, "forbidden_key counted")
    assert llamad.node(scene.name)["rejects"]["forbidden_key"] >= 1
    text = llamad.http.get(f"/api/cluster/{kind}").body
    assert b"evil" not in text
    scene.check_others()


def test_nested_node_and_at_are_fine(scene):
    scene.fake.readings({"a:b": {"node": "x", "at": 1}})
    wait_until(lambda: scene.values() == {"a:b": {"node": "x", "at": 1}}, 3, "keys inside a value are the node's own")


NUMBERS = [b"123456789012345678901234567890", b"0.1000000000000000055511151231257827021181583404541015625", b"-0.0",
           b"1E400", b"1e-400", b"9007199254740993", b"100.0", b"1.50", b"-1E+2"]


@pytest.mark.parametrize("number", NUMBERS)
def test_digits_survive(scene, number):
    http = scene.llamad.http
    scene.fake.readings({"n:n": number})
    wait_until(lambda: b'"value":' + number + b"," in http.get("/api/cluster/readings", node=scene.name).body, 3,
               "the digits as they were sent")
    assert http.get("/api/cluster/readings", group="source").status == 200


@pytest.mark.parametrize("text", ["\u0000", "a\u0000b", "\u2028", "<script>alert(1)</script>", "\u202edcba", "😀" * 50,
                                  "\\\"\n\t"])
def test_texts_survive(scene, text):
    scene.fake.readings({"t:t": text})
    wait_until(lambda: scene.values() == {"t:t": text}, 3, "the text as it was sent")


def test_five_thousand_readings(scene):
    llamad, fake = scene.llamad, scene.fake
    limit = 2000
    fake.readings({f"many:{i}": i for i in range(5000)})
    wait_until(lambda: scene.counted("too_many"), 5, "too_many counted")
    assert llamad.node(scene.name)["rejects"]["too_many"] >= 1
    assert len(scene.values()) <= limit
    scene.check_others()
    fake.readings(GOOD)
    wait_until(lambda: scene.values() == GOOD, 3, "and back to normal")


def test_reports_of_an_old_session_are_ignored(scene):
    old = scene.fake
    new = scene.stack.fake_agent(scene.name).come_alive({"system:cpu_temp": 50})
    wait_until(lambda: scene.values() == {"system:cpu_temp": 50}, 3, "the new session's readings")
    old.readings({"system:cpu_temp": 1})
    wait_until(lambda: scene.counted("old_session"), 5, "old_session counted")
    assert scene.values() == {"system:cpu_temp": 50}
    new.readings({"system:cpu_temp": 51})
    wait_until(lambda: scene.values() == {"system:cpu_temp": 51}, 3, "the new session goes on")


def test_reports_for_another_node_are_refused(scene):
    scene.fake.publish("readings", envelope(scene.fake, BAD_BODY, node="other"))
    scene.check_refused("wrong_node")


def test_heartbeat_for_another_node_is_refused(scene):
    scene.fake.heartbeat(node="other")
    scene.check_refused("wrong_node")


def test_known_sequence_is_no_change(scene):
    fake = scene.fake
    fake.publish("readings", envelope(fake, BAD_BODY, seq=fake.seq["readings"]))
    hold(lambda: scene.values() == GOOD, 0.5, "a known (session, seq) changes nothing")
    assert nonzero(scene.llamad.health()["rejects"]) == scene.before, "and is no fault"
    scene.check_goes_on()


STRANGE = [" lead", "trail ", "$sys", ".", "..", "\u202eevil", "zero\u200bwidth", "n" * 65, "ü" * 33]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("root, leaf", [("alpaca", "health"), ("alpaca", "readings"), ("smollama", "readings")])
def test_strange_names_are_no_nodes(scene, name, root, leaf):
    mark = scene.llamad.log_mark()
    nodes = set(scene.llamad.nodes())
    strange = scene.stack.fake_agent(name, base=root)
    if leaf == "health":
        strange.heartbeat()
    else:
        strange.readings(GOOD)
    wait_until(lambda: scene.counted("bad_name"), 5, "bad_name counted")
    assert set(scene.llamad.nodes()) == nodes
    scene.check_goes_on()
    logged = scene.llamad.log_since(mark)
    assert not {"\u202e", "\x7f", "\t", "\u200b"} & set(logged)


@pytest.mark.parametrize("leaf", ["nonsense", "readings/more", ""])
def test_strange_topics_do_no_harm(scene, leaf):
    nodes = set(scene.llamad.nodes())
    scene.stack.mqtt.publish(scene.topic(leaf).rstrip("/"), b'{"x":1}')
    scene.check_goes_on()
    assert set(scene.llamad.nodes()) == nodes and scene.llamad.nodes()[scene.name]["status"] == "online"


def test_bad_stats_leave_the_last_good_ones(scene):
    before = scene.llamad.get("/api/cluster/stats")
    for body in (b"[]", b'{"readings_count":7}', b'{"node_name":1}'):
        scene.fake.report("stats", body)
    scene.wait_rejects({"bad_type": 1, "bad_body": 2})
    after = scene.llamad.get("/api/cluster/stats")
    assert (after["by_node"], after["totals"]) == (before["by_node"], before["totals"])


@pytest.mark.parametrize("count", [b'"many"', b"-7", b"1e300", b"null", b"1.5", b"[]"])
def test_odd_counts_do_not_spoil_the_sums(scene, count):
    llamad, fake = scene.llamad, scene.fake
    total = llamad.get("/api/cluster/stats")["totals"]["observations"]
    body = stats_body(scene.name, marker=1).replace(b'"observations_count":3', b'"observations_count":' + count)
    fake.report("stats", body)
    wait_until(lambda: "marker" in llamad.said_stats()[scene.name]
               or nonzero(llamad.health()["rejects"]) != scene.before, 3, "taken or counted")
    assert llamad.get("/api/cluster/stats")["totals"]["observations"] in (total, total - 3)


@pytest.mark.parametrize("field", ["confidence", "type", "text", "timestamp", "related_sources"])
@pytest.mark.parametrize("value", [None, "high", 95, -1.5, [], {"a": 1}])
def test_observations_are_stored_unchecked_upstream(scene, field, value):
    """The LLM writes what it likes: whatever the type of a field, the item is shown as it came."""
    llamad, fake = scene.llamad, scene.fake
    item = {"id": 1, "timestamp": "2026-11-23T08:00:00", "text": "t", "confidence": 0.5, "type": "general",
            "related_sources": None, "similarity": None, field: value}
    fake.report("observations", dump({"query": "", "hours": 0, "count": 1, "observations": [item]}))

    def shown() -> bool:
        found = llamad.get("/api/cluster/observations", node=scene.name)["observations"]
        return len(found) == 1 and {k: v for k, v in found[0].items() if k not in ("node", "at")} == item

    wait_until(shown, 3, "the item as it came")
    assert llamad.http.get("/api/cluster/observations?query=t&obs_type=general&hours=5").status == 200


def test_unreadable_times_are_null_and_last(scene):
    stamps = ["yesterday", "2026-11-23T08:00:00", None, "9999-99-99T00:00:00"]
    items = [{"id": i, "timestamp": stamp, "text": "t", "confidence": 1, "type": "x"} for i, stamp in enumerate(stamps)]
    scene.fake.report("observations", dump({"observations": items}), utc_offset_s=0)

    def listed(**params) -> list[dict]:
        return scene.llamad.get("/api/cluster/observations", node=scene.name, **params)["observations"]

    wait_until(lambda: len(listed()) == 4, 3, "all are shown")
    assert [o["at"] for o in listed()] == ["2026-11-23T08:00:00.000Z", None, None, None]
    assert len(listed(hours=24 * 365 * 50)) == 1


def test_rejects_do_not_flood_the_log(scene):
    mark = scene.llamad.log_mark()
    for _ in range(500):
        scene.fake.publish("readings", b"nope\x1b[31m\r\n")
    wait_until(lambda: scene.counted("not_json") >= 500, 10, "all counted")
    grown = scene.llamad.log_since(mark)
    assert len(grown.splitlines()) < 200 and "\x1b" not in grown
