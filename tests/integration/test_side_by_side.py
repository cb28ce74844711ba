"""Two llamads behind one proxy, and two brokers with a bridge, configured as docs/side-by-side.md has it."""

import json

import pytest

from tests.support import haproxy
from tests.support.live_client import LiveClient
from tests.support.nginx import BINARY, Nginx
from tests.support.pages import blocks, replaced, yaml_blocks
from tests.support.processes import ROOT, deep_merge, free_port
from tests.support.tls import Authority
from tests.support.waiting import hold, wait_until

PAGE = "side-by-side.md"


def of_the_page(config, secret, **http):
    """One of the page's configurations, on loopback and at the test's broker."""
    here = {"mqtt": {"broker": "127.0.0.1", "password_file": str(secret)},
            "http": {"listen": "127.0.0.1", "trusted_proxies": ["127.0.0.1"], **http}}
    return deep_merge(config, here)


def two_llamads(stack, tmp_path, port):
    secret = tmp_path / "mqtt.password"
    secret.write_text("secret\n")
    url = {"public_url": f"http://dash.lan:{port}/"}
    publishing, replica = yaml_blocks(PAGE)
    assert replica["cluster"] == {"publish": False} and "cluster" not in publishing
    first = stack.llamad(of_the_page(publishing, secret, **url), name="first")
    second = stack.llamad(of_the_page(replica, secret, **url), name="second")
    for llamad in (first, second):
        llamad.wait_broker()
    return first, second


@pytest.fixture
def pair(stack, tmp_path):
    port = free_port()
    first, second = two_llamads(stack, tmp_path, port)
    block = replaced(blocks(PAGE, "nginx")[0], {"listen 80;": f"listen 127.0.0.1:{port};",
                                                "192.168.1.5:8090": f"127.0.0.1:{first.port}",
                                                "192.168.1.6:8090": f"127.0.0.1:{second.port}"})
    stack._add(Nginx(tmp_path, block, port)).start()

    def browse():
        client = LiveClient("127.0.0.1", port)
        stack._closers.append(client.close)
        return client
    return first, second, browse


def observation(number):
    return {"id": number, "timestamp": "2026-01-01T00:00:00", "text": f"number {number}", "confidence": 1,
            "type": "pattern", "related_sources": None, "similarity": None}


def report(agent, *numbers):
    agent.report("observations", json.dumps({"observations": [observation(n) for n in numbers]}).encode())


def texts(state):
    return {item["text"] for item in state["observations"].values()}


@pytest.mark.skipif(not BINARY.exists(), reason="no nginx: see scripts/bootstrap")
def test_browsers_of_a_llamad_that_dies_go_on_at_the_other_and_miss_nothing(stack, pair):
    first, second, browse = pair
    kitchen, cellar = stack.fake_agent("kitchen", interval_s=3600), stack.fake_agent("cellar", interval_s=3600)
    for agent in (kitchen, cellar):
        agent.status()
        agent.heartbeat()
    report(kitchen, 1)
    browsers = [browse(), browse()]
    for browser in browsers:
        browser.wait_frame(lambda f: any(o["text"] == "number 1" for o in f.get("observations", [])))
    served = {b.snapshot()["instance"] for b in browsers}
    assert len(served) == 1, "the same address is sent to the same one"
    dying, other = (first, second) if first.health()["instance"] in served else (second, first)
    assert other.health()["instance"] not in served

    kitchen.status(state="offline", reason="stopped")
    for browser in browsers:
        browser.wait_frame(lambda f: any(e["node"] == "kitchen" and e["cause"] == "stopped" for e in f.get("events", [])))
    dying.kill()
    for browser in browsers:
        assert browser.closed.wait(3), "nginx closes what has nobody behind it"
    report(cellar, 2)  # while nobody looks
    cellar.status(state="offline", reason="stopped")
    again = [browse(), browse()]
    for browser in again:
        snapshot = browser.snapshot()
        assert snapshot["instance"] == other.health()["instance"]
        wait_until(lambda b=browser: {"number 1", "number 2"} <= texts(b.state()), 5, "both observations are there")
        seen = lambda b=browser: [(e["node"], e["cause"]) for f in b.frames for e in f.get("events", [])]  # noqa: E731
        wait_until(lambda s=seen: {("kitchen", "stopped"), ("cellar", "stopped")} <= set(s()), 5, "both events are there")
    report(cellar, 2, 3)
    for browser in again:
        wait_until(lambda b=browser: "number 3" in texts(b.state()), 5, "what comes now is pushed")


@pytest.mark.skipif(not haproxy.BINARY.exists(), reason="no haproxy: see scripts/bootstrap")
def test_haproxy_moves_browsers_from_a_llamad_that_hangs_or_dies(stack, tmp_path):
    port = free_port()
    pair = two_llamads(stack, tmp_path, port)
    text = replaced(blocks(PAGE, "haproxy")[0], {"bind :80": f"bind 127.0.0.1:{port}",
                                                 "192.168.1.5:8090": f"127.0.0.1:{pair[0].port}",
                                                 "192.168.1.6:8090": f"127.0.0.1:{pair[1].port}"})
    proxy = stack._add(haproxy.Haproxy(tmp_path, text, port)).start()

    def browse():
        client = LiveClient("127.0.0.1", port)
        stack._closers.append(client.close)
        return client, client.snapshot()["instance"]
    browser, instance = wait_until(browse, 5, "a browser is served")
    hanging, other = sorted(pair, key=lambda llamad: llamad.health()["instance"] != instance)
    hanging.pause()
    assert browser.closed.wait(5), "the connection to the one that hangs is closed"
    browser, instance = browse()
    assert instance == other.health()["instance"]
    hanging.resume()
    wait_until(lambda: "is UP" in proxy.log, 5, "it is taken back")
    other.kill()
    assert browser.closed.wait(3) and browse()[1] == hanging.health()["instance"], "and serves when the other dies"


def test_a_replica_says_nothing(stack, pair):
    first, second, _ = pair
    reader = stack.mqtt_client("llama/#", "homeassistant/#")
    agent = stack.fake_agent("kitchen")
    agent.status()
    agent.heartbeat()
    reader.wait_for("llama/kitchen/state")
    assert second.health()["published"] is None and first.health()["published"]["states"] > 0
    first.stop()
    seen = len(reader.messages())
    agent.heartbeat(labels={"room": "x"})
    hold(lambda: len(reader.messages()) == seen, 1.5, "nobody publishes")


@pytest.fixture
def sites(stack, tmp_path):
    """(site's broker, central broker), bridged by broker-config/bridge.conf."""
    authority = Authority(tmp_path / "tls")
    cert, key = authority.server()
    port = free_port()
    central = stack.broker(name="central", lines=[f"listener {port} 127.0.0.1", "allow_anonymous true",
                                                  f"cafile {authority.cert}", f"certfile {cert}", f"keyfile {key}"])
    text = replaced((ROOT / "broker-config" / "bridge.conf").read_text(), {
        "CENTRAL-BROKER:8883": f"127.0.0.1:{port}", "SITE": "north", "SECRET": "secret",
        "/etc/mosquitto/certs/ca.crt": str(authority.cert), "restart_timeout 5 60": "restart_timeout 1 1"})
    site = stack.broker(name="site", lines=text.splitlines())
    return site, central


def test_nodes_of_a_site_are_known_at_the_centre(stack, sites):
    site, central = sites
    reader = stack.mqtt_client("alpaca/#", port=central.port)
    llamad = stack.llamad(broker_port=central.port)
    agent = stack.agent(stack.node(), broker_port=site.port)
    llamad.wait_node("kitchen", "online", via="mqtt")
    wait_until(lambda: llamad.readings(node="kitchen"), 5, "its readings are there")
    message = reader.wait_for("alpaca/kitchen/status")
    assert 0 < message.expiry <= 7 * 24 * 3600, "expiry survives the bridge"
    seq = reader.wait_for("alpaca/kitchen/memories").json["seq"]
    resent = len(reader.messages("alpaca/kitchen/memories"))
    assert llamad.http.request("POST", "/api/cluster/nodes/kitchen/refresh").status == 202
    wait_until(lambda: len(reader.messages("alpaca/kitchen/memories")) > resent, 10, "a refresh goes back over the bridge")
    assert reader.messages("alpaca/kitchen/memories")[-1].json["seq"] == seq
    agent.stop()
    llamad.wait_node("kitchen", "unreachable", "stopped")


def test_what_the_bridge_had_stored_brings_nobody_to_life(stack, sites):
    site, central = sites
    llamad = stack.llamad(broker_port=central.port)
    agent = stack.agent(stack.node(), broker_port=site.port)
    llamad.wait_node("kitchen", "online")
    agent.kill()
    llamad.wait_node("kitchen", "unreachable", timeout=12)
    mark = llamad.log_mark()
    central.kill()  # the bridge connects anew, and its broker hands on what it has stored
    llamad.wait_log("lost the broker", since=mark)
    central.start()
    llamad.wait_log("connected to the broker", 10, since=mark)
    wait_until(lambda: site.log.count("Connecting bridge") > 1, 5, "the bridge connects anew")
    hold(lambda: llamad.nodes()["kitchen"]["status"] != "online", 4, "the dead stay dead")
    assert "→ online" not in llamad.log_since(mark)
