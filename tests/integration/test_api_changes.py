"""Requests that change something, and answers that follow change."""

from tests.support.processes import quote
from tests.support.waiting import hold, wait_until


def test_etag_moves_with_the_content(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive({"a:b": 1})
    other = stack.fake_agent("other").come_alive({"a:b": 1})
    llamad.wait_node("pi", "online")
    llamad.wait_node("other", "online")
    wait_until(lambda: len(llamad.readings()) == 2, 3, "both readings")
    tag = llamad.http.get("/api/cluster/readings").headers["etag"]
    fake.readings({"a:b": 2})
    wait_until(lambda: llamad.http.get("/api/cluster/readings").headers["etag"] != tag, 3, "another tag")
    answer = llamad.http.get("/api/cluster/readings", headers={"If-None-Match": tag})
    assert answer.status == 200 and answer.json["count"] == 2
    tag = llamad.http.get("/api/cluster/readings").headers["etag"]
    other.readings({"a:b": 1})
    llamad.stop()
    llamad.start()
    wait_until(lambda: len(llamad.readings()) == 2, 3, "both readings again")
    assert llamad.http.get("/api/cluster/readings", headers={"If-None-Match": tag}).status == 200, "another instance"


def test_forgetting_needs_the_name_twice(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi ü").come_alive()
    llamad.wait_node("pi ü", "online")
    path = f"/api/cluster/nodes/{quote('pi ü')}"
    for query in ("", "?confirm=", "?confirm=pi", f"?confirm={quote('pi  ü')}"):
        answer = llamad.http.request("DELETE", path + query)
        assert (answer.status, answer.error_code) == (400, "bad_request"), query
    assert "pi ü" in llamad.nodes()
    gone = llamad.http.request("DELETE", f"{path}?confirm={quote('pi ü')}")
    assert (gone.status, gone.body) == (204, b"")
    assert "pi ü" not in llamad.nodes() and not llamad.readings()
    late = stack.mqtt_client("alpaca/#")
    hold(lambda: not late.messages(), 0.5, "its retained messages are cleared")
    llamad.stop()
    llamad.start()
    llamad.wait_broker()
    assert "pi ü" not in llamad.nodes()
    fake.come_alive()
    llamad.wait_node("pi ü", "online")


def test_manual_node_cannot_be_forgotten(stack):
    node = stack.node()
    llamad = stack.llamad({"cluster": {"manual_nodes": [{"name": "kitchen", "url": node.url}]}})
    llamad.wait_node("kitchen", "online")
    answer = llamad.http.request("DELETE", "/api/cluster/nodes/kitchen?confirm=kitchen")
    assert answer.status == 409 and answer.json["error"]["message"]
    assert "kitchen" in llamad.nodes()


def test_refresh_asks_the_agent(stack):
    llamad = stack.llamad()
    stack.fake_agent("pi").come_alive()
    llamad.wait_node("pi", "online")
    reader = stack.mqtt_client("alpaca/+/refresh")
    assert llamad.http.request("POST", "/api/cluster/nodes/pi/refresh").status == 202
    message = reader.wait_for("alpaca/pi/refresh")
    assert (message.payload, message.retain) == (b"", False)
    assert llamad.http.request("POST", "/api/cluster/nodes/nobody/refresh").error_code == "unknown_node"


def test_refresh_brings_the_agents_last_snapshots(stack):
    llamad = stack.llamad()
    node = stack.node()
    stack.agent(node, {"alpaca": {"readings_interval": 600}})
    llamad.wait_node("kitchen", "online", counts={"readings": 13, "observations": 40, "memories": 12})
    stack.mqtt.publish("alpaca/kitchen/readings", b"", retain=True)
    llamad.wait_node("kitchen", counts={"readings": 0, "observations": 40, "memories": 12})
    asked = node.count("readings")
    assert llamad.http.request("POST", "/api/cluster/nodes/kitchen/refresh").status == 202
    llamad.wait_node("kitchen", counts={"readings": 13, "observations": 40, "memories": 12})
    assert node.count("readings") == asked


def test_change_is_seen_at_once(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi").come_alive({"a:b": 0})
    llamad.wait_node("pi", "online")
    for value in range(1, 20):
        fake.readings({"a:b": value})
        wait_until(lambda: llamad.reading("pi", "a:b")["value"] == value, 0.5, f"value {value}")
