"""What anybody on the network may say by mDNS, and how little comes of it; and that llamad harms nobody there."""

from __future__ import annotations

import socket
import time

import pytest

from tests.support import mdns_responder as mdns
from tests.support.discovery_net import SHOWN_S, browsing, sightings
from tests.support.fake_agent import stats_body
from tests.support.mdns_responder import MdnsResponder, Service
from tests.support.netns import HERE, THERE
from tests.support.smollama_node import respond_body
from tests.support.waiting import hold, stretched, wait_until


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "10.99.0.1", "224.0.0.1"])
def test_addresses_that_must_not_be_asked(net, address):
    """The forger's own address is allowed by nobody either."""
    own = net.stack.node(host="127.0.0.1", port=8080)
    llamad = net.llamad(poll_allow=["10.77.0.2/32"])
    net.announce("victim", address, source=THERE[3])
    shown = wait_until(lambda: llamad.node("victim"), SHOWN_S, "listed")
    assert not shown["evidence"]["has_url"] and not shown["evidence"]["sightings"][0]["allowed"]
    hold(lambda: own.connections == 0 and llamad.nodes()["victim"]["status"] != "online", 3, "not even a connection")


def test_forged_names_at_a_real_nodes_address_are_that_node(net):
    node = net.node()
    responder = net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    responder.serve(*(Service(f"forged-{i}", THERE[0]) for i in range(20)))
    wait_until(lambda: llamad.health()["discovery"]["services"] == 21, SHOWN_S, "all are seen")
    wait_until(lambda: llamad.node("kitchen")["rejects"].get("too_many"), 10, "beyond the limit is counted")
    hold(lambda: list(llamad.nodes()) == ["kitchen"], 1, "none of them is a node")
    assert len(sightings(llamad, "kitchen")) == llamad.health()["limits"]["sightings_per_node"]
    assert llamad.nodes()["kitchen"]["url"] == node.url


def test_second_machine_of_a_name_does_not_take_it(net):
    node, other = net.node(THERE[0], "kitchen"), net.node(THERE[1], "kitchen", "empty")
    net.announce("kitchen", THERE[0])
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    net.announce("kitchen-2", THERE[1])
    wait_until(lambda: len(sightings(llamad, "kitchen")) == 2, SHOWN_S, "listed")
    hold(lambda: llamad.nodes()["kitchen"]["url"] == node.url and other.count("readings") == 0, 2, "the first stays")


def test_node_that_renames_itself(net):
    node = net.node()
    net.announce("kitchen")
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    before = llamad.get("/api/cluster/readings", node="kitchen")["readings"]
    node.behave("stats", respond_body(stats_body("cellar")))
    llamad.wait_node("cellar", "online", timeout=20)
    assert llamad.nodes()["kitchen"]["status"] != "online"
    assert llamad.get("/api/cluster/readings", node="kitchen")["readings"] == before, "nobody's data went there"


@pytest.mark.parametrize("name", ["a/b", "+", " space", "$sys", "x\u202ey"])
def test_names_that_no_node_can_have(net, name):
    net.node(THERE[1], "good")
    net.announce(name)
    net.announce("good", THERE[1])
    llamad = net.llamad()
    llamad.wait_node("good", "online", timeout=SHOWN_S)
    wait_until(lambda: llamad.reject_count("bad_name") >= 1, SHOWN_S, "counted")
    assert list(llamad.nodes()) == ["good"]
    llamad.wait_log("mdns")


def flood(responder: MdnsResponder, count: int, address: str) -> None:
    for first in range(0, count, 20):
        services = [Service(f"forged-{i}", address, host="forger") for i in range(first, first + 20)]
        responder.send(mdns.packet([s.pointer() for s in services], [d for s in services for d in s.details()]))
        time.sleep(0.002)


@pytest.mark.timeout(90)
def test_ten_thousand_services(net):
    net.node()
    net.announce("kitchen")
    llamad = net.llamad(request_timeout=2)
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    memory = llamad.rss_kib()
    forger = net.responder(THERE[4])
    flood(forger, 10000, THERE[4])
    wait_until(lambda: llamad.health()["discovery"]["dropped"] > 0, 10, "what is too much is left out, and counted")
    wait_until(lambda: llamad.health()["discovery"]["unproven"] == 128, 10, "as many as may be are listed")
    assert llamad.health()["discovery"]["checks"] < 100, "one address is asked once a second, for all of them"
    assert llamad.health()["discovery"]["services"] <= 1024
    assert len(llamad.nodes()) <= 1 + 128
    began = time.monotonic()
    shown = llamad.nodes()["kitchen"]
    assert time.monotonic() - began < stretched(0.5), "it answers as ever"
    assert shown["status"] == "online" and shown["age_s"] < 10
    llamad.assert_flat(memory, 16 * 1024, "by forged services")
    assert llamad.log.count("\n") < 400, "no line per forged name"


def test_names_that_come_and_go_are_no_weapon(net):
    """Somebody announces at another's address, takes it back, and again: that one is hardly asked more often."""
    node = net.node()
    net.announce("kitchen")
    llamad = net.llamad(aggregation_interval=60)
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    forger = net.responder(THERE[4])
    began, asked = time.monotonic(), node.count("stats")
    for i in range(300):
        service = Service(f"forged-{i % 3}", THERE[0], host=f"host-{i}")
        forger.send(service.answer())
        time.sleep(0.01)
        forger.send(service.goodbye())
    hold(lambda: llamad.alive, 1, "what was said last is worked off")
    assert node.count("stats") - asked <= time.monotonic() - began + 3, "once a second"
    assert list(llamad.nodes()) == ["kitchen"]


def test_garbage_packets(net):
    net.node()
    responder = net.responder()
    llamad = net.llamad()
    browsing(llamad, responder)
    whole = Service("kitchen", THERE[0]).answer()
    for cut in range(len(whole)):
        responder.send(whole[:cut])
    for packet in (b"", b"\xff" * 9000, whole[:12] + b"\xc0\x0c" * 40, b"\0\0\x84\0" + b"\xff" * 8, b"x" * 11):
        responder.send(packet)
    for position in range(2, len(whole), 3):
        responder.send(whole[:position] + b"\xc0" + whole[position + 1:])
    responder.serve(Service("kitchen", THERE[0]))
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)


# --- no harm to others ---

def test_publishes_nothing(net):
    responder = net.responder()
    llamad = net.llamad()
    browsing(llamad, responder)
    machine = socket.gethostname().split(".")[0]
    for name in (("localhost",), ("localhost", "local"), (machine, "local"), mdns.TYPE,
                 ("_services", "_dns-sd", "_udp", "local"), ("1", "0", "77", "10", "in-addr", "arpa"),
                 ("1", "0", "0", "127", "in-addr", "arpa")):
        responder.send(mdns.query(name, mdns.ANY))
    hold(lambda: True, 1.5, "time to answer")
    assert llamad.stop() == 0
    hold(lambda: True, 0.5, "time for a goodbye")
    assert responder.heard
    assert not [data for _, _, data in responder.heard if mdns.is_response(data)], "llamad only asks"


def test_beside_another_responder_on_this_machine(net):
    """As beside the host's avahi-daemon: both hear everything, and what it announces is found, too."""
    local = net.responder(HERE)
    node = net.node(HERE, start=False)
    node.start()
    llamad = net.llamad()
    local.serve(Service("kitchen", "127.0.1.1"))
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)
    assert llamad.nodes()["kitchen"]["url"] == node.url
    net.node(THERE[1], "shed")
    net.announce("shed", THERE[1])
    llamad.wait_node("shed", "online", timeout=SHOWN_S)
    wait_until(lambda: any(address == THERE[1] for address, _, _ in local.heard), SHOWN_S, "the other hears as before")
    assert not [d for _, _, d in local.heard if mdns.is_response(d) and b"localhost" in d]


def test_loopback_is_not_listened_to(net):
    """A machine's own announcements there would be of addresses that nobody may ask: doubles for ever."""
    here = net.lan.here.run(MdnsResponder("127.0.0.1").start)
    net.closers.append(here.stop)
    net.announce("shed", THERE[1])
    llamad = net.llamad()
    here.serve(Service("kitchen-2", "127.0.1.1"))
    llamad.wait_node("shed", timeout=SHOWN_S)
    hold(lambda: list(llamad.nodes()) == ["shed"], 2, "nothing from loopback")
