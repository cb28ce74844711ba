"""llamad and its broker on one machine, Smollama nodes that mDNS announces on another (netns.Lan)."""

from __future__ import annotations

from tests.support.mdns_responder import MdnsResponder, Service
from tests.support.netns import HERE, THERE, Lan
from tests.support.processes import Llamad
from tests.support.smollama_node import SmollamaNode
from tests.support.stack import Stack
from tests.support.waiting import wait_until

#: How soon what mDNS tells is to be seen.
SHOWN_S = 5


class Net:
    """llamad and its broker `here`, nodes and responders `there`. The fixture `net` makes one for a test."""

    def __init__(self, lan: Lan, stack: Stack):
        self.lan, self.stack = lan, stack
        self.closers: list = []

    def llamad(self, discovery: dict | None = None, env: dict | None = None, **cluster: object) -> Llamad:
        settings = {"discovery_method": "mdns", "poll_allow": ["10.77.0.0/24"], "aggregation_interval": 1, **cluster}
        config = {"cluster": settings, **({"discovery": discovery} if discovery else {})}
        return self.stack.llamad(config, env=env)

    def node(self, address: str = THERE[0], name: str | None = None, fixture: str = "kitchen", start: bool = True) -> SmollamaNode:
        node = self.stack.node(fixture, name, host=address, port=8080, start=False)
        return self.start(node) if start else node

    def start(self, node: SmollamaNode) -> SmollamaNode:
        return self.lan.there.run(node.start)

    def responder(self, address: str = THERE[0]) -> MdnsResponder:
        place = self.lan.here if address == HERE else self.lan.there
        responder = place.run(MdnsResponder(address).start)
        self.closers.append(responder.stop)
        return responder

    def announce(self, instance: str, address: str = THERE[0], source: str | None = None, **options: object) -> MdnsResponder:
        responder = self.responder(source or address)
        responder.serve(Service(instance, address, **options))
        return responder

    def close(self) -> None:
        for closer in self.closers:
            closer()


def sightings(llamad: Llamad, name: str) -> list[dict]:
    return llamad.node(name)["evidence"]["sightings"]


def browsing(llamad: Llamad, responder: MdnsResponder) -> None:
    wait_until(responder.queries, SHOWN_S, "llamad asks")
    assert llamad.health()["discovery"]["running"]
