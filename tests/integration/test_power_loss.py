"""The power goes at any moment: llamad starts with an older or newer state, and has lost nothing that was on the disk.

A run of the real program is recorded (every write, fsync and rename, in order). For each moment of it, every state of the
disk that the moment allows is built, and llamad is started on it.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.power_loss import Disk, build_disk_log
from tests.support.processes import SANITIZER, Llamad, free_port
from tests.support.waiting import stretched, wait_until

EVENTS, LAST_ID, NODES = "events.jsonl", "events.last", "nodes.jsonl"


def parse(text):
    """The whole lines of a file of ours; of a torn one, what stands before."""
    found = []
    for line in text.split(b"\n")[:-1]:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def event_ids(text):
    return [line["id"] for line in parse(text)[1:]]


def edge_value(text):
    """The one value of the edge node in the file of last values; None without."""
    for line in parse(text):
        if line.get("kind") == "readings":
            return line["body"]["readings"][0]["value"]
    return None


class Moment:
    """A state that the disk may be in, and what was promised by then."""

    def __init__(self, files, event_id, value):
        self.files, self.event_id, self.value = files, event_id, value


def moments(log, files=None):
    """All different ones. Promised is what llamad has waited for: the file's fsync, and where it is new its name's."""
    disk, found = Disk(files), {}
    event_id, value = 0, None
    for name, text in (files or {}).items():
        event_id = max([event_id, *event_ids(text)]) if name == EVENTS else event_id
    for line in log:
        disk.apply(line)
        if line.startswith("sync"):
            event_id = max([event_id, *event_ids(durable(disk, EVENTS))])
            value = edge_value(durable(disk, NODES)) or value
        for files_now in disk.states():
            key = tuple(sorted(files_now.items()))
            found.setdefault(key, Moment(files_now, event_id, value))
            found[key].event_id = max(found[key].event_id, event_id)
            found[key].value = max(filter(None, (found[key].value, value)), default=None)
    return list(found.values())


def durable(disk, name):
    file = disk.durable_names.get(name)
    return file.durable if file else b""


@pytest.fixture
def recorder(stack):
    """Starts a llamad whose writes are recorded; `log()` is what it has done so far."""
    if SANITIZER:
        pytest.skip("a sanitizer's own interceptors stand in the way of ours")

    class Recorder:
        library = build_disk_log(stack.folder)
        path = stack.folder / "disk.log"

        def start(self, files=None):
            llamad = stack.llamad(start=False, env={"LD_PRELOAD": str(self.library), "DISK_LOG": str(self.path),
                                                    "DISK_LOG_DIR": str(stack.folder / "llamad-state")})
            for name, content in (files or {}).items():
                (llamad.state_dir / name).write_bytes(content)
            llamad.start()
            llamad.wait_broker()
            return llamad

        def log(self):
            return self.path.read_text().splitlines()
    return Recorder()


def start_on(folder, index, files):
    """llamad after the power cut, without a broker. Its events (oldest first), the edge node's value, its log."""
    llamad = Llamad(folder / f"cut-{index}", free_port(), name="llamad")
    for name, content in files.items():
        (llamad.state_dir / name).write_bytes(content)
    try:
        llamad.start()
        llamad.wait_ready()
        values = [reading["value"] for reading in llamad.readings(node="edge-01")] if "edge-01" in llamad.nodes() else []
        return llamad.events(limit=1000)[::-1], values, llamad.log
    finally:
        llamad.stop()


def try_all(folder, found, check):
    def one(pair):
        index, moment = pair
        events, values, log = start_on(folder, index, moment.files)
        try:
            check(moment, events, values, log)
        except AssertionError as error:
            sizes = {name: len(content) for name, content in moment.files.items()}
            raise AssertionError(f"{error}\nfiles {sizes}, promised {moment.event_id}, {moment.value}\n{log}") from error
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, enumerate(found)))


def say_edge(stack, value):
    stack.mqtt.publish("smollama/edge-01/readings", {"node": "edge-01", "timestamp": "2026-11-28T12:00:00", "readings": [
        {"source": "system:t", "value": value, "unit": "c", "timestamp": "2026-11-28T12:00:00"}]}, qos=0)


def change(llamad, fake, rounds):
    """Events 1, 2, 3, …, each saved before the next one."""
    for number in range(1, 2 * rounds + 1):
        fake.heartbeat(source={"ok": number % 2 == 0, "error": "refused" if number % 2 else None})
        wait_until(lambda: event_ids((llamad.state_dir / EVENTS).read_bytes())[-1] == number, 5, f"event {number} is saved")


def test_nothing_that_was_on_the_disk_is_lost(stack, recorder):
    llamad = recorder.start()
    fake = stack.fake_agent("pi", interval_s=3600)
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    say_edge(stack, 1)
    wait_until(lambda: edge_value((llamad.state_dir / NODES).read_bytes()) == 1, 5, "the first value is saved")
    change(llamad, fake, 3)
    say_edge(stack, 2)
    wait_until(lambda: llamad.reading("edge-01", "system:t")["value"] == 2, 5, "the second value is in")
    expected = llamad.events()[::-1]
    llamad.stop()
    expected_ids = [event["id"] for event in expected]
    assert event_ids((llamad.state_dir / EVENTS).read_bytes()) == expected_ids == list(range(1, 7))
    found = moments(recorder.log())
    assert max(moment.event_id for moment in found) == 6 and max(moment.value or 0 for moment in found) == 2
    assert len(found) >= 20, "torn writes, names without content, content without names"

    def check(moment, events, values, log):
        ids = [event["id"] for event in events]
        assert ids == expected_ids[:len(ids)] and events == expected[:len(ids)], "as they were, without a gap"
        assert len(ids) >= moment.event_id, f"only {ids} of what was saved"
        assert values in ([], [1], [2]) and (values or [0])[0] >= (moment.value or 0), f"{values}"
        assert "is damaged" not in log
    try_all(stack.folder, found, check)


def test_nothing_good_of_a_damaged_file_is_lost(stack, recorder):
    """While it is being put aside and written anew."""
    first = stack.llamad(name="first")
    fake = stack.fake_agent("pi", interval_s=3600)
    fake.heartbeat()
    first.wait_node("pi", "online")
    change(first, fake, 2)
    say_edge(stack, 1)
    first.wait_node("edge-01", "online")
    expected = first.events()[::-1]
    first.stop()
    files = {name: (first.state_dir / name).read_bytes() for name in (EVENTS, LAST_ID, NODES)}
    files[EVENTS] = files[EVENTS].replace(b'"id":2', b'"id":5', 1)
    files[NODES] += b"what is this?\n"
    good = [event for event in expected if event["id"] != 2]
    llamad = recorder.start(files)
    assert llamad.events()[::-1] == good
    wait_until(lambda: event_ids((llamad.state_dir / EVENTS).read_bytes()) == [1, 3, 4], stretched(5), "written anew")
    wait_until(lambda: b"what" not in (llamad.state_dir / NODES).read_bytes(), 5, "written anew")
    llamad.stop()
    found = moments(recorder.log(), files)
    assert len(found) >= 4

    def check(moment, events, values, _log):
        assert events == good and values == [1]
    try_all(stack.folder, found, check)
