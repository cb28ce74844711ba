"""A cluster that stands still, shared by the tests that only look at it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tests.support.discovery_net import Net
from tests.support.fake_agent import FakeAgent
from tests.support.netns import Lan, why_impossible
from tests.support.recordings import Recording
from tests.support.waiting import wait_until

HOUR = 3600


@pytest.fixture(scope="module")
def still(module_stack):
    """Two nodes with recorded content: "pi-a" (kitchen) and "pi b ü" (empty)."""
    llamad = module_stack.llamad({"http": {"hosts": ["dash.example"], "public_url": "https://dash.example"}})
    bodies = {}
    for name, fixture, kind in (("pi-a", "kitchen", "llama"), ("pi b ü", "empty", "alpaca")):
        recording = Recording(fixture)
        bodies[name] = {
            "readings": recording.answer("readings").body, "stats": recording.answer("stats").body,
            "observations": recording.answer("observations_all").body,
            "memories": recording.answer("memories_all").body}
        fake = FakeAgent(module_stack.mqtt, name, interval_s=HOUR, kind=kind)
        fake.status()
        fake.heartbeat(utc_offset_s=0)
        for kind_of_report, body in bodies[name].items():
            fake.report(kind_of_report, body, utc_offset_s=0)
        llamad.wait_node(name, "online")
    wait_until(lambda: len(llamad.said_stats()) == 2
               and llamad.get("/api/cluster/memories", limit=1000)["count"] == 12, 5, "all content is in")
    contents = {name: {kind: json.loads(body) for kind, body in parts.items()} for name, parts in bodies.items()}
    return SimpleNamespace(llamad=llamad, http=llamad.http, bodies=bodies, contents=contents, stack=module_stack)


@pytest.fixture(scope="session")
def namespaces():
    """Skips what needs network namespaces where there can be none."""
    reason = why_impossible()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def lan(namespaces):
    """Two machines on a wire; the test, and what it starts, is on one of them."""
    with Lan() as made:
        yield made


@pytest.fixture
def net(lan, stack):
    made = Net(lan, stack)
    yield made
    made.close()
