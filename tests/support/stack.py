"""Everything one test (or one module of tests) starts, and its orderly end."""

from __future__ import annotations

from pathlib import Path

from tests.support.fake_agent import FakeAgent
from tests.support.gatekeeper import Gatekeeper, Policy
from tests.support.live_client import LiveClient, StalledClient
from tests.support.mqtt_client import MqttClient
from tests.support.processes import Agent, Llamad, Mosquitto, Process
from tests.support.smollama_node import SmollamaNode


class Stack:
    """Factories for a test's processes, nodes and clients; `close` ends them in reverse order and reports problems."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.processes: list[Process] = []
        self._closers: list = []
        self._broker: Mosquitto | None = None
        self._mqtt: MqttClient | None = None

    def _add(self, process: Process) -> Process:
        self.processes.append(process)
        return process

    def broker(self, **options: object) -> Mosquitto:
        """Starts the stack's broker; with `name` another one."""
        options.setdefault("folder", self.folder)
        broker = self._add(Mosquitto(**options)).start()
        if self._broker is None:
            self._broker = broker
        return broker

    @property
    def broker_port(self) -> int:
        if self._broker is None:
            self.broker()
        return self._broker.port

    def llamad(self, config: dict | None = None, start: bool = True, wait: bool = True, broker_port: int | None = None,
               **options: object) -> Llamad:
        """llamad; `wait` for its HTTP and, at this stack's own broker, for its subscriptions."""
        port = self.broker_port if broker_port is None else broker_port
        llamad = self._add(Llamad(self.folder, port, config=config, **options))
        if start:
            llamad.start(wait)
        own_broker = self._broker is not None and port == self._broker.port and "mqtt" not in (config or {})
        if start and wait and own_broker:
            llamad.wait_broker()
        return llamad

    def agent(self, node: SmollamaNode | str | None, config: dict | None = None, start: bool = True,
              broker_port: int | None = None, node_name: str | None = None, **options: object) -> Agent:
        """An agent beside a simulated node; a string or None instead of a node names it (config says the rest)."""
        simulated = isinstance(node, SmollamaNode)
        label = node_name or (node.name if simulated else node)
        port = self.broker_port if broker_port is None else broker_port
        agent = self._add(Agent(self.folder, port, label, node.url if simulated else None, config=config, **options))
        if start:
            agent.start()
        return agent

    def node(self, fixture: str = "kitchen", name: str | None = None, start: bool = True,
             **options: object) -> SmollamaNode:
        node = SmollamaNode(fixture, name, **options)
        self._closers.append(node.stop)
        return node.start() if start else node

    @property
    def mqtt(self) -> MqttClient:
        """A client of the stack's broker, shared within the test."""
        if self._mqtt is None:
            self._mqtt = self.mqtt_client()
        return self._mqtt

    def mqtt_client(self, *topics: str, port: int | None = None, as_published: bool = True,
                    **options: object) -> MqttClient:
        """Another client, subscribed to `topics`; `options` are MqttClient's."""
        client = MqttClient(port or self.broker_port, **options)
        self._closers.append(client.close)
        return client.subscribe(*topics, as_published=as_published)

    def fake_agent(self, name: str, **options: object) -> FakeAgent:
        return FakeAgent(self.mqtt, name, **options)

    def gatekeeper(self, policy: Policy | None = None) -> Gatekeeper:
        keeper = Gatekeeper(self.broker_port, policy) if policy else Gatekeeper(self.broker_port)
        self._closers.append(keeper.close)
        return keeper

    def live(self, llamad: Llamad, query: str = "", headers: dict[str, str] | None = None) -> LiveClient:
        client = llamad.live(query, headers)
        self._closers.append(client.close)
        return client

    def stalled(self, llamad: Llamad, query: str = "", **options: int) -> StalledClient:
        client = StalledClient("127.0.0.1", llamad.port, query, **options)
        self._closers.append(client.close)
        return client

    def close(self) -> list[str]:
        """Ends all; returns what was wrong: exit codes, late ends, sanitizer reports."""
        for closer in reversed(self._closers):
            closer()
        problems: list[str] = []
        brokers = [p for p in self.processes if isinstance(p, Mosquitto)]
        for process in [p for p in reversed(self.processes) if p not in brokers] + brokers:
            problems += process.finish()
        return problems

    def logs(self, lines: int = 120) -> list[tuple[str, str]]:
        return [(f"{p.name} ({p.log_path})", "\n".join(p.log.splitlines()[-lines:])) for p in self.processes]
