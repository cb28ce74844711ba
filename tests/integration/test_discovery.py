"""Nodes found by multicast DNS: real packets between two machines on a wire that each test makes for itself."""

from __future__ import annotations

import time

import pytest

from tests.support.discovery_net import SHOWN_S, browsing, sightings
from tests.support.mdns_responder import Service
from tests.support.mdns_responder import packet as mdns_packet
from tests.support.netns import HERE, THERE
from tests.support.processes import SANITIZER
from tests.support.set_clock import SetClock
from tests.support.waiting import hold, stretched, wait_until

# --- finding ---

@pytest.mark.parametrize("first", ["llamad", "node"])
def test_new_node_is_shown_and_polled(net, first):
    node = net.node()
    responder = net.responder()
    if first == "node":
        responder.serve(Service("kitchen", THERE[0], node_type="llama"))
    llamad = net.llamad()
    if first == "llamad":
        browsing(llamad, responder)
        responder.serve(Service("kitchen", THERE[0], node_type="llama"))
    shown = llamad.wait_node("kitchen", "online", via="http", timeout=SHOWN_S)
    assert shown["discovered_by"] == ["mdns"] and shown["url"] == node.url and shown["type"] == "llama"
    assert [(s["url"], s["instance"], s["used"], s["allowed"]) for s in sightings(llamad, "kitchen")] == \
        [(node.url, "kitchen", True, True)]
    readings = llamad.get("/api/cluster/readings", node="kitchen")["readings"]
    assert readings and all(r["node"] == "kitchen" for r in readings)


@pytest.mark.parametrize("record", ["127.0.1.1", "0.0.0.0", "169.254.7.7"])
def test_useless_address_record_gives_way_to_where_packets_come_from(net, record):
    node = net.node(THERE[1])
    llamad = net.llamad()
    net.announce("kitchen", record, source=THERE[1])
    shown = llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    assert shown["url"] == node.url


@pytest.mark.parametrize("name", ["pi.kitchen.2", "living room", "Küche ☕", "a\\b", "50% (old)"])
def test_names_are_decoded(net, name):
    net.node(name=name)
    net.announce(name)
    llamad = net.llamad()
    assert llamad.wait_node(name, "online", timeout=SHOWN_S)["discovered_by"] == ["mdns"]
    assert list(llamad.nodes()) == [name]


def test_doubles_are_one_node(net):
    net.node()
    responder = net.announce("kitchen")
    responder.serve(Service("kitchen-2", THERE[0]))
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    wait_until(lambda: len(sightings(llamad, "kitchen")) == 2, SHOWN_S, "both sightings are the node's")
    hold(lambda: list(llamad.nodes()) == ["kitchen"], 1.5, "there is no kitchen-2")


def test_double_alone_is_the_node_that_answers(net):
    net.node()
    net.announce("kitchen-2")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    assert list(llamad.nodes()) == ["kitchen"] and llamad.reject_count("wrong_node") == 0


def test_announced_port_without_dashboard_is_never_online(net):
    net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "unreachable", "never_seen", timeout=SHOWN_S)
    hold(lambda: llamad.nodes()["kitchen"]["status"] != "online", 2, "nothing answers")
    shown = llamad.nodes()["kitchen"]
    assert shown["last_seen"] is None and "refused" in shown["reason"]


def test_dashboard_that_starts_late_is_found(net):
    net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "unreachable", "never_seen", timeout=SHOWN_S)
    net.node()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)


def test_late_dashboard_of_a_double(net):
    net.announce("kitchen-2")
    llamad = net.llamad()
    llamad.wait_node("kitchen-2", "unreachable", "never_seen", timeout=SHOWN_S)
    net.node()
    llamad.wait_node("kitchen", "online", timeout=20)
    assert list(llamad.nodes()) == ["kitchen"]


@pytest.mark.parametrize("behaviour", ["hang", "drip", "garbage", "endless", "error500", "close"])
def test_whatever_answers_it_is_shown_in_time_and_not_online(net, behaviour):
    node = net.node(start=False)
    node.behave("*", behaviour)
    net.start(node)
    responder = net.responder()
    llamad = net.llamad(request_timeout=10)
    browsing(llamad, responder)
    began = time.monotonic()
    responder.serve(Service("kitchen", THERE[0]))
    wait_until(lambda: "kitchen" in llamad.nodes(), SHOWN_S, "shown")
    assert time.monotonic() - began < stretched(SHOWN_S)
    hold(lambda: llamad.nodes()["kitchen"]["status"] != "online", 2, "nothing usable was said")


def test_another_service_type(net):
    net.node()
    kind = ("_alpacas", "_tcp", "local")
    net.announce("kitchen", kind=kind)
    net.announce("other", THERE[1])
    llamad = net.llamad(discovery={"service_type": "_alpacas._tcp"})
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    hold(lambda: list(llamad.nodes()) == ["kitchen"], 1, "only that type")


def test_manual_method_does_not_look(net):
    responder = net.announce("kitchen")
    llamad = net.llamad(discovery_method="manual")
    hold(lambda: not responder.heard and not llamad.nodes(), 3, "no query, no node")
    assert llamad.health()["discovery"] is None


# --- going ---

def test_goodbye_of_a_node_that_answered(net):
    node = net.node()
    responder = net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    readings = llamad.get("/api/cluster/readings", node="kitchen")["readings"]
    node.refuse()
    responder.withdraw("kitchen")
    wait_until(lambda: not sightings(llamad, "kitchen"), SHOWN_S, "the sighting is gone")
    lost = llamad.wait_node("kitchen", "unreachable", "no_answer", timeout=SHOWN_S)
    assert "refused" in lost["reason"]
    assert llamad.get("/api/cluster/readings", node="kitchen")["readings"] == readings, "last values stay"
    net.start(node)
    responder.serve(Service("kitchen", THERE[0]))
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)


def test_goodbye_of_a_name_that_never_answered(net):
    responder = net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", timeout=SHOWN_S)
    responder.withdraw("kitchen")
    wait_until(lambda: not llamad.nodes(), SHOWN_S, "the name is gone")


def test_machine_without_power_stays_and_is_unreachable(net):
    node = net.node()
    responder = net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    node.refuse()
    responder.answering = False
    llamad.wait_node("kitchen", "unreachable", "no_answer", timeout=SHOWN_S)
    assert sightings(llamad, "kitchen")


def test_address_that_changes(net):
    node = net.node()
    responder = net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    node.refuse()
    moved = net.node(THERE[1])
    responder.serve(Service("kitchen", THERE[1]))
    shown = llamad.wait_node("kitchen", "online", url=moved.url, timeout=10)
    assert shown["since"]
    wait_until(lambda: [s["url"] for s in sightings(llamad, "kitchen")] == [moved.url], 10, "one sighting")


def test_address_that_changes_behind_a_useless_record(net):
    """Raspberry Pi OS after a new lease: the record is 127.0.1.1 before and after, so only the sender tells."""
    node = net.node()
    first = net.announce("kitchen", "127.0.1.1", source=THERE[0])
    llamad = net.llamad()
    assert llamad.wait_node("kitchen", "online", timeout=SHOWN_S)["url"] == node.url
    first.stop()
    node.refuse()
    moved = net.node(THERE[1])
    net.announce("kitchen", "127.0.1.1", source=THERE[1])
    llamad.wait_node("kitchen", "online", url=moved.url, timeout=10)
    wait_until(lambda: [s["url"] for s in sightings(llamad, "kitchen")] == [moved.url], 10, "one sighting")


def test_records_that_run_out_without_a_goodbye(net):
    """A machine that lost its power: what it said of itself ends by its own TTL."""
    node = net.node()
    responder = net.responder()
    llamad = net.llamad()
    browsing(llamad, responder)
    service = Service("kitchen", THERE[0])
    responder.send(mdns_packet([service.pointer(4)], service.details(4)))
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    node.refuse()
    wait_until(lambda: not sightings(llamad, "kitchen"), 15, "its records ran out")
    llamad.wait_node("kitchen", "unreachable", "no_answer", timeout=10)


def test_interface_that_appears_later(net):
    """A second network card, plugged in while llamad runs."""
    llamad = net.llamad(poll_allow=["10.78.0.0/24"])
    wait_until(lambda: llamad.health()["discovery"]["running"], SHOWN_S, "looking")
    address = net.lan.second_wire()
    node = net.node(address)
    net.announce("kitchen", address)
    assert llamad.wait_node("kitchen", "online", timeout=10)["url"] == node.url


def test_interface_that_goes_and_comes(net):
    net.node()
    net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    net.lan.cut()
    llamad.wait_node("kitchen", "unreachable", timeout=10)
    wait_until(lambda: not sightings(llamad, "kitchen"), SHOWN_S, "nothing is seen without a wire")
    net.lan.mend()
    llamad.wait_node("kitchen", "online", timeout=10)
    wait_until(lambda: sightings(llamad, "kitchen"), 10, "seen again")


def test_starts_without_a_network(net):
    net.lan.cut()
    net.node()
    llamad = net.llamad()
    responder = net.responder()
    net.lan.mend()
    responder.serve(Service("kitchen", THERE[0]))
    llamad.wait_node("kitchen", "online", timeout=10)


def test_forgotten_node_comes_back_when_it_answers(net):
    net.node()
    net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    assert llamad.http.request("DELETE", "/api/cluster/nodes/kitchen?confirm=kitchen").status == 204
    llamad.wait_node("kitchen", "online", timeout=15)


# --- one machine, known in several ways ---

def test_polled_until_its_agent_speaks(net):
    node = net.node(name="kitchen")
    net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", via="http", timeout=SHOWN_S)
    fake = net.stack.fake_agent("kitchen", interval_s=1).come_alive({"system:cpu_temp": 1.5})
    shown = llamad.wait_node("kitchen", "online", via="mqtt", timeout=SHOWN_S)
    assert shown["discovered_by"] == ["mqtt", "mdns"] and shown["url"] is None
    quiet = time.monotonic() + 0.5
    fake.heartbeat()
    llamad.wait_node("kitchen", "stale", timeout=10)
    hold(lambda: node.count(since=quiet) == 0, 2, "an agent was heard: mDNS alone is not asked any more")
    assert [s["used"] for s in sightings(llamad, "kitchen")] == [False]
    values = {r["full_id"]: r["value"] for r in llamad.get("/api/cluster/readings", node="kitchen")["readings"]}
    assert values["system:cpu_temp"] == 1.5


@pytest.mark.parametrize("first", ["mdns", "agent"])
def test_agents_smollama_under_its_default_name_is_the_agents_node(net, first):
    """Smollama is called smollama-node by default, on every machine; its agent has the name of the machine."""
    node = net.node(name="smollama-node")
    llamad = net.llamad()
    if first == "mdns":
        net.announce("smollama-node")
        llamad.wait_node("smollama-node", "online", via="http", timeout=SHOWN_S)
    fake = net.stack.fake_agent("pi", url=node.url)
    source = {"kind": "smollama", "node_name": "smollama-node", "ok": True, "error": None, "since": None, "latency_ms": 1}
    fake.status()
    fake.heartbeat(source=source)
    llamad.wait_node("pi", "online", via="mqtt")
    if first == "agent":
        net.announce("smollama-node")
    wait_until(lambda: list(llamad.nodes()) == ["pi"] and sightings(llamad, "pi"), 20, "one machine, one node")
    fake.status("offline")
    llamad.wait_node("pi", "online", "agent_down", timeout=10)
    hold(lambda: list(llamad.nodes()) == ["pi"], 2, "it stays one")


def test_manual_node_keeps_its_url(net):
    manual, other = net.node(THERE[0], "kitchen"), net.node(THERE[1], "kitchen", "empty")
    llamad = net.llamad(manual_nodes=[{"name": "my kitchen", "url": manual.url}])
    wait_until(lambda: llamad.node("my kitchen")["alias"] == "kitchen", SHOWN_S, "it said its own name")
    net.announce("kitchen", THERE[1])
    wait_until(lambda: sightings(llamad, "my kitchen"), SHOWN_S, "listed as a sighting")
    shown = llamad.node("my kitchen")
    assert shown["url"] == manual.url and shown["discovered_by"] == ["manual", "mdns"]
    assert shown["evidence"]["sightings"][0] | {"seen": 0} == \
        {"url": other.url, "instance": "kitchen", "allowed": True, "used": False, "seen": 0}
    asked = other.count()
    hold(lambda: other.count() == asked and list(llamad.nodes()) == ["my kitchen"], 3, "its data are not taken")
    assert asked <= 1, "who it is, and no more"


def test_manual_node_that_mdns_knew_first(net):
    manual, other = net.node(THERE[0], "kitchen", "empty", start=False), net.node(THERE[1], "kitchen")
    net.announce("kitchen", THERE[1])
    llamad = net.llamad(manual_nodes=[{"name": "my kitchen", "url": manual.url}])
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    net.start(manual)
    llamad.wait_node("my kitchen", "online", timeout=10)
    wait_until(lambda: list(llamad.nodes()) == ["my kitchen"], SHOWN_S, "they are one")
    shown = llamad.nodes()["my kitchen"]
    assert shown["url"] == manual.url and [s["url"] for s in sightings(llamad, "my kitchen")] == [other.url]
    assert not llamad.get("/api/cluster/observations", node="my kitchen")["observations"], "nothing from there stays"


@pytest.mark.parametrize("first", ["manual", "agent"])
def test_manual_node_and_another_machines_agent_of_the_same_name(net, first):
    """A copied configuration: both call themselves kitchen. Neither gets the other's data, and it is said why."""
    manual, other = net.node(THERE[0], "kitchen", "empty", start=False), net.node(THERE[1], "kitchen")
    if first == "manual":
        net.start(manual)
    llamad = net.llamad(manual_nodes=[{"name": "my kitchen", "url": manual.url}])
    if first == "manual":
        wait_until(lambda: llamad.node("my kitchen")["alias"] == "kitchen", SHOWN_S, "it said its own name")
    net.stack.fake_agent("kitchen", url=other.url).come_alive({"only:agent": 45.5})
    if first == "agent":
        llamad.wait_node("kitchen", "online", via="mqtt")
        net.start(manual)
    llamad.wait_node("my kitchen", "online", via="http", timeout=10)
    llamad.wait_node("kitchen", "online", via="mqtt", timeout=10)
    wait_until(lambda: llamad.node("my kitchen")["rejects"].get("wrong_node"), 10, "it is said what is wrong")

    def apart() -> bool:
        values = {(r["node"], r["full_id"]) for r in llamad.get("/api/cluster/readings")["readings"]}
        return ("kitchen", "only:agent") in values and set(llamad.nodes()) == {"kitchen", "my kitchen"} \
            and not [v for v in values if v == ("my kitchen", "only:agent")]
    wait_until(apart, 5, "two nodes")
    hold(apart, 2, "they stay two")


def test_manual_node_and_its_own_agent_are_one(net):
    """By the address that it announces; also where llamad itself reaches it by loopback."""
    node = net.node(THERE[0], "kitchen")
    own = net.stack.node("empty", "desk", host="127.0.0.1", port=8081, start=False)
    own.start()
    llamad = net.llamad(manual_nodes=[{"name": "my kitchen", "url": node.url},
                                      {"name": "my desk", "url": "http://127.0.0.1:8081"}])
    net.stack.fake_agent("kitchen", url=node.url).come_alive({"a:b": 1})
    net.stack.fake_agent("desk", url=f"http://{HERE}:8081").come_alive({"a:b": 2})
    for name in ("my kitchen", "my desk"):
        llamad.wait_node(name, "online", via="mqtt", timeout=10)
    hold(lambda: set(llamad.nodes()) == {"my kitchen", "my desk"}, 2, "two nodes, each once")


def test_forged_name_of_an_agents_node(net):
    real, forger = net.node(THERE[0], "kitchen"), net.node(THERE[1], "kitchen", "empty")
    llamad = net.llamad()
    fake = net.stack.fake_agent("kitchen", url=real.url).come_alive({"system:cpu_temp": 45.5})
    llamad.wait_node("kitchen", "online", via="mqtt")
    net.announce("kitchen", THERE[1])
    wait_until(lambda: sightings(llamad, "kitchen"), SHOWN_S, "a separate sighting")
    assert llamad.nodes()["kitchen"]["url"] == real.url
    fake.status("offline")
    llamad.wait_node("kitchen", "online", "agent_down")
    hold(lambda: forger.count("readings") == 0, 2, "no data from there")


def test_edge_node_is_the_same_node(net):
    node = net.node(name="shed")
    llamad = net.llamad()
    net.stack.mqtt.publish("smollama/shed/readings", b'{"node":"shed","readings":[{"source":"x:y","value":1}]}')
    llamad.wait_node("shed", "online", via="edge")
    net.announce("shed")
    shown = llamad.wait_node("shed", "online", via="http", timeout=SHOWN_S)
    assert shown["discovered_by"] == ["edge", "mdns"] and shown["url"] == node.url


# --- the machine that llamad runs on ---

@pytest.mark.skipif(bool(SANITIZER), reason="sanitizers want to be loaded first: no clock of our own beside them")
@pytest.mark.parametrize("years", [5, -5])
def test_wall_clock_that_is_set(net, tmp_path, years):
    """As on a machine without a battery clock, when it hears the time. Avahi's deadlines are wall-clock."""
    clock = SetClock(tmp_path)
    net.node(name="kitchen")
    responder = net.announce("kitchen")
    llamad = net.llamad(env=clock.env)
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    clock.move(years * 365 * 86400)
    llamad.wait_log("the clock was set")
    net.node(THERE[1], "shed")
    asked = responder.queries()
    net.announce("shed", THERE[1])
    llamad.wait_node("shed", "online", timeout=SHOWN_S)
    wait_until(lambda: responder.queries() > asked, SHOWN_S, "it goes on asking")
    hold(lambda: sightings(llamad, "kitchen"), 22, "who was there before was found again")
    assert llamad.nodes()["kitchen"]["status"] == "online"
    assert llamad.log.count("the clock was set") == 1


def test_ends_in_time_while_it_asks(net):
    node = net.node(start=False)
    node.behave("*", "hang")
    net.start(node)
    llamad = net.llamad(request_timeout=10)
    net.announce("kitchen")
    wait_until(lambda: node.connections, SHOWN_S, "being asked")
    assert llamad.stop() == 0
