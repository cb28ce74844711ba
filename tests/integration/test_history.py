"""The last hour of a reading, as the real programs keep it."""

import datetime
import json
import time

import pytest

from tests.support.fake_agent import readings_body
from tests.support.recordings import edge_messages
from tests.support.shapes import assert_keys, is_utc
from tests.support.smollama_node import respond_body
from tests.support.waiting import wait_until

SENSOR = "system:cpu_temp"


def history(llamad, node, source=SENSOR, **params):
    return llamad.get("/api/cluster/history", node=node, source=source, **params)


def points(llamad, node, source=SENSOR, **params):
    return history(llamad, node, source, **params)["points"]


def past(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def say(fake, value, age_s=0.0):
    """A report of `age_s` ago, with one reading of that moment."""
    when = past(age_s)
    fake.report("readings", readings_body({SENSOR: value}, timestamp=when), captured_at=when, utc_offset_s=0)
    return when


def epoch_ms(when):
    return round(datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp() * 1000)


def test_answer_has_the_shape_of_the_contract(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi b ü")
    fake.heartbeat()
    when = say(fake, 45.3, age_s=1)
    llamad.wait_node("pi b ü", "online")
    wait_until(lambda: points(llamad, "pi b ü"), 3, "a point")
    answer = history(llamad, "pi b ü")
    assert_keys(answer, ("timestamp", "node", "source", "unit", "minutes", "points"))
    assert is_utc(answer["timestamp"])
    assert (answer["node"], answer["source"], answer["unit"], answer["minutes"]) == ("pi b ü", SENSOR, "celsius", 60)
    [[at_ms, value]] = answer["points"]
    assert value == 45.3 and abs(at_ms - epoch_ms(when)) < 500, "the reading's own time"


def test_agents_readings_become_points(stack):
    node = stack.node()
    llamad = stack.llamad()
    bodies = [readings_body({SENSOR: value, "system:load": 1}) for value in (40, 41.5, 39)]
    node.behave("readings", respond_body(bodies[0]))
    stack.agent(node, {"alpaca": {"readings_interval": 1}})
    llamad.wait_node(node.name, "online")
    wait_until(lambda: len(points(llamad, node.name)) == 1, 5, "the first")
    for count, body in enumerate(bodies[1:], 2):
        fresh = readings_body({SENSOR: json.loads(body)["readings"][0]["value"], "system:load": 1})
        node.behave("readings", respond_body(fresh))
        wait_until(lambda: len(points(llamad, node.name)) == count, 5, "the next")
    shown = points(llamad, node.name)
    assert [value for _, value in shown] == [40, 41.5, 39]
    assert [at for at, _ in shown] == sorted({at for at, _ in shown})
    time.sleep(2.5)
    assert points(llamad, node.name) == shown, "a time that stands still is no new sample"


def test_gap_stays_a_gap(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive({"other:x": 1})
    llamad.wait_node("pi", "online")
    for age_s in (1500, 1495, 1490, 1485, 600, 595, 590):
        say(fake, 20, age_s)
    wait_until(lambda: len(points(llamad, "pi")) == 5, 5, "both stretches")
    shown = points(llamad, "pi")
    assert [value for _, value in shown] == [20, 20, None, 20, 20]
    assert shown[2][0] == shown[1][0] + 1, "it begins behind the last sample"
    now_ms = time.time() * 1000
    for (at_ms, _), age_s in zip(shown, (1500, 1485, 1485, 600, 590)):
        assert abs(now_ms - age_s * 1000 - at_ms) < 5000
    assert [value for _, value in points(llamad, "pi", minutes=20)] == [20, 20], "nothing of before"
    assert points(llamad, "pi", minutes=1) == [], "and nothing made up until now"


def test_spike_survives_an_hour_of_thinning(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive({"other:x": 1})
    llamad.wait_node("pi", "online")
    for i in range(700):
        say(fake, 99.5 if i == 333 else 20 + i % 7 / 10, age_s=3550 - 5 * i)
    wait_until(lambda: points(llamad, "pi")[-1][0] > (time.time() - 65) * 1000, 20, "all are in")
    shown = points(llamad, "pi")
    assert 100 < len(shown) <= 252 and None not in [value for _, value in shown]
    assert max(value for _, value in shown) == 99.5
    assert shown[0][0] < (time.time() - 3500) * 1000
    health = llamad.health()
    assert health["history"]["bytes"] <= health["limits"]["history_bytes"]
    assert health["history"]["readings"] == 1, "the first one went with its report"
    assert health["history"]["bytes"] <= health["limits"]["history_bytes_per_reading"] == 2048


def test_polled_readings_become_points(stack):
    node = stack.node()
    node.behave("readings", respond_body(readings_body({SENSOR: 1})))
    llamad = stack.llamad({"cluster": {"manual_nodes": [{"name": "m", "url": node.url}], "aggregation_interval": 1}})
    llamad.wait_node("m", "online")
    wait_until(lambda: points(llamad, "m"), 5, "the first")
    node.behave("readings", respond_body(readings_body({SENSOR: 2})))
    shown = wait_until(lambda: (p := points(llamad, "m"))[1:] and p, 5, "the next")
    assert [value for _, value in shown] == [1, 2]
    assert abs(shown[1][0] - time.time() * 1000) < 5000


def test_edge_readings_become_points(stack):
    llamad = stack.llamad()
    topic, payload = edge_messages("edge-01")[0]
    stack.mqtt.publish(topic, payload, qos=0)
    llamad.wait_node("edge-01", "online")
    value = llamad.reading("edge-01", SENSOR)["value"]
    [[at_ms, shown]] = wait_until(lambda: points(llamad, "edge-01"), 3, "a point")
    assert shown == pytest.approx(value, rel=1e-6)
    assert abs(at_ms - time.time() * 1000) < 5000, "recorded long ago: the time it came"


def test_odd_values_are_gaps(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive({SENSOR: 1})
    llamad.wait_node("pi", "online")
    said = [b"1", b"null", b'"off"', b"1e39", b"[2]", b"3"]
    for value in said:
        fake.report("readings", readings_body({SENSOR: value}, timestamp=past(0)))
        wait_until(lambda: llamad.reading("pi", SENSOR)["value"] == json.loads(value), 3, "it is in")
    shown = points(llamad, "pi")
    assert [v for _, v in shown] in ([1, 1, None, 3], [1, None, 3])
    assert [at for at, _ in shown] == sorted({at for at, _ in shown})


@pytest.mark.parametrize("params,status,code", [
    ({}, 400, "bad_request"), ({"node": "pi"}, 400, "bad_request"),
    ({"node": "pi", "source": SENSOR, "points": 1}, 400, "bad_request"),
    ({"series": "pi"}, 400, "bad_request"), ({"series": f"pi/{SENSOR}", "source": SENSOR}, 400, "bad_request"),
    ({"series": [f"pi/{SENSOR}"] * 65}, 400, "bad_request"), ({"series": ["pi/" + "x" * 200] * 50}, 414, "uri_too_long"),
    ({"node": "pi", "source": SENSOR, "minutes": 0}, 400, "bad_request"),
    ({"node": "pi", "source": SENSOR, "minutes": 1441}, 400, "bad_request"),
    ({"node": "pi", "source": SENSOR, "minutes": "x"}, 400, "bad_request"),
    ({"node": "nobody", "source": SENSOR}, 404, "unknown_node"),
    ({"node": "pi", "source": "no:such"}, 404, "not_found")])
def test_bad_questions(one_node, params, status, code):
    answer = one_node.http.get("/api/cluster/history", **params)
    assert (answer.status, answer.error_code) == (status, code)


def test_many_histories_in_one_answer(stack):
    llamad = stack.llamad()
    nodes = {name: stack.fake_agent(name).come_alive({SENSOR: i, "own/x:y": -i}) for i, name in enumerate(["b ü", "a"])}
    for name in nodes:
        llamad.wait_node(name, "online")
        wait_until(lambda: points(llamad, name) and points(llamad, name, "own/x:y"), 3, "a point")
    asked = [f"b ü/{SENSOR}", "gone/own/x:y", "a/own/x:y", "a/no:such", f"a/{SENSOR}"]
    answer = llamad.get("/api/cluster/history", series=asked, minutes=10)
    assert_keys(answer, ("timestamp", "minutes", "series"))
    assert [f"{s['node']}/{s['source']}" for s in answer["series"]] == asked
    for series in answer["series"]:
        assert_keys(series, ("node", "source", "unit", "points"))
        missing = series["node"] == "gone" or series["source"] == "no:such"
        assert series["points"] == (None if missing else points(llamad, series["node"], series["source"]))
    whole = llamad.get("/api/cluster/history", source=SENSOR)
    assert_keys(whole, ("timestamp", "minutes", "series", "cut"))
    assert [(s["node"], s["points"][0][1]) for s in whole["series"]] == [("a", 1), ("b ü", 0)] and not whole["cut"]
    assert llamad.http.request("DELETE", "/api/cluster/nodes/a?confirm=a").status == 204
    answer = llamad.get("/api/cluster/history", series=asked)
    assert [s["points"] is None for s in answer["series"]] == [False, True, True, True, True]


def test_thinned_answer_keeps_spike_and_gap(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive({"other:x": 1})
    llamad.wait_node("pi", "online")
    for i in [*range(300), *range(420, 700)]:
        say(fake, 99.5 if i == 555 else 20 + i % 7 / 10, age_s=3550 - 5 * i)
    wait_until(lambda: points(llamad, "pi")[-1][0] > (time.time() - 65) * 1000, 20, "all are in")
    shown, thin = points(llamad, "pi"), points(llamad, "pi", points=20)
    assert len(thin) <= 21 < 100 < len(shown)
    assert [p for p in shown if p in thin] == thin, "none but what is kept"
    assert (thin[0], thin[-1]) == (shown[0], shown[-1])
    assert max(v for _, v in thin if v is not None) == 99.5
    assert [p for p in thin if p[1] is None] == [p for p in shown if p[1] is None] and [None] == [
        v for _, v in thin if v is None]
    [series] = llamad.get("/api/cluster/history", series=f"pi/{SENSOR}", points=20)["series"]
    assert series["points"] == thin


def test_browser_may_ask_for_as_many_as_there_may_be(one_node):
    """Each parameter and each header takes one of the places that the HTTP library has for a request."""
    headers = {name: "x" for name in (
        "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Pragma", "Connection", "Referer",
        "If-None-Match", "Cookie", "DNT", "Priority", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "sec-ch-ua",
        "sec-ch-ua-mobile", "sec-ch-ua-platform", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")}
    headers |= {"Sec-Fetch-Site": "same-origin", "Authorization": "Basic eDp5"}
    answer = one_node.http.get("/api/cluster/history", headers, series=[f"pi/{SENSOR}"] * 64, points=60, minutes=30)
    assert answer.status == 200
    assert [value for series in answer.json["series"] for _, value in series["points"]] == [1] * 64


def test_methods_and_caching(one_node):
    answer = one_node.http.request("POST", f"/api/cluster/history?node=pi&source={SENSOR}")
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"
    answer = one_node.http.get("/api/cluster/history", node="pi", source=SENSOR, minutes=1440)
    assert answer.status == 200 and "etag" not in answer.headers
    for params in ({"source": SENSOR}, {"series": f"pi/{SENSOR}"}):
        assert "etag" not in one_node.http.get("/api/cluster/history", **params).headers, "it changes with the clock"
    assert answer.json["minutes"] == 60, "what is kept"


def test_forgotten_node_takes_its_history_along(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive({SENSOR: 1})
    llamad.wait_node("pi", "online")
    wait_until(lambda: llamad.health()["history"]["readings"] == 1, 3, "a history")
    assert llamad.http.request("DELETE", "/api/cluster/nodes/pi?confirm=pi").status == 204
    assert llamad.health()["history"] == {"readings": 0, "bytes": 0}
    fake.come_alive({SENSOR: 2})
    wait_until(lambda: [value for _, value in points(llamad, "pi")] == [2], 5, "it begins anew")


@pytest.fixture(scope="module")
def one_node(module_stack):
    llamad = module_stack.llamad()
    module_stack.fake_agent("pi").come_alive({SENSOR: 1})
    llamad.wait_node("pi", "online")
    wait_until(lambda: points(llamad, "pi"), 3, "a point")
    return llamad
