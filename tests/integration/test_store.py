"""What llamad keeps over a restart: events, and the last values of polled and edge nodes. Files and disks misbehave."""

import json
import os
import subprocess

import pytest

from tests.support.processes import free_port
from tests.support.recordings import edge_messages
from tests.support.waiting import Stopwatch, hold, stretched, wait_until

EVENTS, LAST_ID, NODES = "events.jsonl", "events.last", "nodes.jsonl"


def manual(*nodes, **cluster):
    return {"cluster": {"manual_nodes": [{"name": n.name, "url": n.url} for n in nodes], **cluster}}


def values(llamad, name):
    return {r["full_id"]: r["value"] for r in llamad.readings(node=name)}


def send_edge(stack, name="edge-01"):
    topic, payload = edge_messages(name)[-1]
    stack.mqtt.publish(topic, payload, qos=0)
    return {r["source"]: r["value"] for r in json.loads(payload)["readings"]}


def wait_saved(llamad, *names):
    """Until the last values of these nodes are on the disk."""
    def saved():
        text = (llamad.state_dir / NODES).read_text()
        return all(f'"node":"{name}"' in text for name in names)
    wait_until(saved, 5, f"{names} saved")


def lines_of(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def start(llamad):
    """And waits until it hears what is said from now on."""
    llamad.start()
    llamad.wait_broker()


def make_events(llamad, fake, rounds=1):
    """Lets the agent report its Smollama as gone and back; returns all events."""
    for _ in range(rounds):
        fake.heartbeat(source={"kind": "smollama", "ok": False, "error": "refused"})
        llamad.wait_node(fake.node, "degraded", "smollama_down")
        fake.heartbeat()
        llamad.wait_node(fake.node, "online")
    return llamad.events(limit=1000)


@pytest.fixture
def fake(stack):
    """An agent; it is online once llamad runs and it has sent a heartbeat."""
    return stack.fake_agent("pi", interval_s=3600)


def file_ids(llamad):
    return [line["id"] for line in lines_of(llamad.state_dir / EVENTS)[1:]]


def wait_events_saved(llamad, count):
    wait_until(lambda: len(file_ids(llamad)) == count, 5, f"{count} events in the file")


def test_last_values_of_polled_and_edge_nodes_are_back_with_their_age(stack):
    node = stack.node()
    llamad = stack.llamad(manual(node))
    llamad.wait_node("kitchen", "online", via="http")
    wait_until(lambda: llamad.get("/api/cluster/observations", node="kitchen", limit=1000)["count"] == 40, 5, "polled")
    edge_values = send_edge(stack)
    llamad.wait_node("edge-01", "online", via="edge")
    node_values, stats, seen = values(llamad, "kitchen"), llamad.said_stats(), llamad.nodes()["edge-01"]["last_seen"]
    node.stop()
    llamad.wait_node("kitchen", "unreachable", "no_answer")
    llamad.stop()
    for how in (llamad.kill, llamad.stop):  # a power cut in between costs nothing
        start(llamad)
        shown = llamad.nodes()
        assert shown["edge-01"]["status"] == "unknown" and shown["edge-01"]["cause"] == "starting"
        assert shown["edge-01"]["last_seen"] == seen
        assert shown["kitchen"]["status"] != "online", "a file proves nobody alive"
        assert values(llamad, "edge-01") == edge_values
        assert values(llamad, "kitchen") == node_values and llamad.said_stats() == stats
        assert llamad.get("/api/cluster/observations", node="kitchen", limit=1000)["count"] == 40
        age_s = llamad.get("/api/cluster/readings", node="edge-01")["nodes"]["edge-01"]["age_s"]
        hold(lambda: llamad.nodes()["edge-01"]["status"] != "online", 1, "the edge node is not online")
        assert llamad.get("/api/cluster/readings", node="edge-01")["nodes"]["edge-01"]["age_s"] >= age_s + 0.9
        llamad.wait_node("kitchen", "unreachable", "no_answer")
        how()
    start(llamad)
    send_edge(stack)
    llamad.wait_node("edge-01", "online", via="edge")
    node.start()
    llamad.wait_node("kitchen", "online", via="http")


def test_values_survive_a_kill(stack):
    """The first ones are written at once."""
    llamad = stack.llamad()
    expected = send_edge(stack)
    wait_saved(llamad, "edge-01")
    llamad.kill()
    start(llamad)
    assert values(llamad, "edge-01") == expected
    assert llamad.nodes()["edge-01"]["status"] == "unknown"


def test_agents_values_are_not_stored(stack):
    llamad = stack.llamad()
    fake = stack.fake_agent("pi")
    fake.status()
    fake.heartbeat()
    fake.report("readings", b'{"readings":[{"full_id":"system:t","value":1}]}')
    llamad.wait_node("pi", "online")
    send_edge(stack)
    llamad.wait_node("edge-01", "online")
    llamad.stop()
    text = (llamad.state_dir / NODES).read_text()
    assert '"node":"edge-01"' in text and '"node":"pi"' not in text


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_events_are_back_and_ids_go_on(stack, fake, how):
    llamad = stack.llamad()
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    before = make_events(llamad, fake)
    assert [e["id"] for e in before] == [2, 1]
    wait_events_saved(llamad, 2)
    getattr(llamad, how)()
    start(llamad)
    assert llamad.events(limit=1000) == before
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    assert llamad.events(limit=1000) == before, "still online: nothing new"
    assert llamad.nodes()["pi"]["since"] == before[0]["at"], "and since when it is"
    after = make_events(llamad, fake)
    assert [e["id"] for e in after] == [4, 3, 2, 1] and after[2:] == before
    wait_events_saved(llamad, 4)
    assert [e["id"] for e in stack.live(llamad).snapshot()["events"]] == [4, 3, 2, 1]
    assert [e["id"] for e in llamad.events(since=2)] == [4, 3]


def test_node_that_is_still_gone_is_no_news_and_its_return_is(stack):
    node = stack.node()
    llamad = stack.llamad(manual(node, aggregation_interval=1))
    llamad.wait_node("kitchen", "online")
    node.stop()
    llamad.wait_node("kitchen", "unreachable", "no_answer")
    before = llamad.events(limit=1000)
    llamad.stop()
    start(llamad)
    llamad.wait_node("kitchen", "unreachable", "no_answer")
    hold(lambda: llamad.events(limit=1000) == before, 1.5, "no further event")
    assert llamad.nodes()["kitchen"]["since"] == before[0]["at"]
    llamad.stop()
    node.start()
    start(llamad)
    llamad.wait_node("kitchen", "online")
    newest = llamad.events(limit=1)[0]
    assert (newest["id"], newest["from"], newest["to"]) == (before[0]["id"] + 1, "unreachable", "online")


def test_kill_in_the_middle_of_events_leaves_no_gap(stack):
    nodes = [stack.node(name=f"pi-{i}") for i in range(8)]
    llamad = stack.llamad(manual(*nodes, aggregation_interval=1))
    for i in range(3):
        for node in nodes:
            llamad.wait_node(node.name, "online")
        for node in nodes:
            node.behave("*", "error500")
        wait_until(lambda: any(e["to"] == "degraded" and e["at"] for e in llamad.events(limit=8)), 5, "events")
        llamad.kill()
        for node in nodes:
            node.behave("*", "ok")
        start(llamad)
        ids = [e["id"] for e in llamad.events(limit=1000)]
        assert ids == list(range(len(ids), 0, -1))
    assert "damaged" not in llamad.log


def damage_middle(text):
    lines = text.splitlines(keepends=True)
    lines[1] = lines[1].replace(b"online", b"onlime")
    return b"".join(lines)


DAMAGES = {
    "torn": lambda text: text[:-7],
    "zeros": lambda text: text + b"\0" * 4096,
    "bit flip": damage_middle,
    "empty": lambda text: b"",
    "another version": lambda text: text.replace(b'"v":1', b'"v":9', 1),
    "rubbish": lambda text: os.urandom(10000),
    "huge": lambda text: text + b" " * (8 * 1024 * 1024),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_events_do_not_stop_llamad(stack, fake, damage):
    llamad = stack.llamad()
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    make_events(llamad, fake)
    llamad.stop()
    path = llamad.state_dir / EVENTS
    damaged = DAMAGES[damage](path.read_bytes())
    path.write_bytes(damaged)
    mark = llamad.log_mark()
    start(llamad)
    log = llamad.log_since(mark)
    ids = [e["id"] for e in llamad.events(limit=1000)]
    if damage in ("torn", "zeros"):
        assert "was not finished" in log and str(path) in log and "byte" in log
        assert ids == ([1] if damage == "torn" else [2, 1])
        assert path.read_bytes().endswith(b"}\n")
    else:
        assert "is damaged" in log and str(path) in log
        assert (llamad.state_dir / (EVENTS + ".damaged")).read_bytes() == damaged
        assert ids == ([2] if damage == "bit flip" else [])
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    make_events(llamad, fake)
    after = [e["id"] for e in llamad.events(limit=1000)]
    new = after[:len(after) - len(ids)]
    assert new == list(range(new[0], 2, -1)) and after[len(new):] == ids, "no number is given twice"
    wait_events_saved(llamad, len(after))
    assert file_ids(llamad) == after[::-1]
    assert llamad.health()["store"]["errors"] == 0


def test_no_number_is_given_twice_whatever_becomes_of_the_files(stack, fake):
    """The file of events is lost, or an older copy is put back; only without both do numbers begin anew."""
    llamad = stack.llamad()
    path, last = llamad.state_dir / EVENTS, llamad.state_dir / LAST_ID
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    make_events(llamad, fake)
    wait_events_saved(llamad, 2)
    copy = path.read_bytes()
    make_events(llamad, fake)

    def start_again():
        llamad.stop()
        assert lines_of(last)[1]["id"] == llamad_last
        change()
        start(llamad)
        fake.heartbeat()
        llamad.wait_node("pi", "online")
        make_events(llamad, fake)
        return [e["id"] for e in llamad.events(limit=1000)]

    for change, llamad_last, expected in ((lambda: path.write_bytes(copy), 4, [6, 5, 2, 1]),
                                          (path.unlink, 6, [8, 7]),
                                          (last.unlink, 8, [10, 9, 8, 7]),
                                          (lambda: last.write_bytes(b"7"), 10, [12, 11, 10, 9, 8, 7])):
        assert start_again() == expected
    assert f"{last} is damaged" in llamad.log
    llamad.stop()
    path.unlink()
    last.unlink()
    start(llamad)
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    assert [e["id"] for e in make_events(llamad, fake)] == [2, 1]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_values_do_not_stop_llamad(stack, damage):
    llamad = stack.llamad()
    send_edge(stack)
    llamad.wait_node("edge-01", "online")
    llamad.stop()
    path = llamad.state_dir / NODES
    text = path.read_bytes()
    path.write_bytes(text + b" " * (64 * 1024 * 1024) if damage == "huge" else DAMAGES[damage](text))
    if damage == "bit flip":
        path.write_bytes(text.replace(b'"type":"edge"', b'"type":"edgy"'))
    mark = llamad.log_mark()
    start(llamad)
    assert "is damaged" in llamad.log_since(mark) and str(path) in llamad.log_since(mark)
    assert (llamad.state_dir / (NODES + ".damaged")).exists()
    assert ("edge-01" in llamad.nodes()) == (damage in ("torn", "zeros"))
    expected = send_edge(stack)
    llamad.wait_node("edge-01", "online")
    assert values(llamad, "edge-01") == expected
    wait_saved(llamad, "edge-01")


def test_files_deleted_meanwhile_are_written_anew(stack, fake):
    llamad = stack.llamad()
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    make_events(llamad, fake)
    wait_events_saved(llamad, 2)
    (llamad.state_dir / EVENTS).unlink()
    make_events(llamad, fake)
    wait_until((llamad.state_dir / EVENTS).exists, 5, "written anew")
    wait_events_saved(llamad, 4)
    assert llamad.health()["store"]["errors"] == 0


def test_forgotten_node_is_not_found_by_the_next_start(stack):
    llamad = stack.llamad()
    send_edge(stack)
    llamad.wait_node("edge-01", "online")
    wait_saved(llamad, "edge-01")
    assert llamad.http.request("DELETE", "/api/cluster/nodes/edge-01?confirm=edge-01").status == 204
    wait_until(lambda: '"node":"edge-01"' not in (llamad.state_dir / NODES).read_text(), 3, "gone from the file")
    llamad.kill()
    start(llamad)
    assert "edge-01" not in llamad.nodes()


def test_second_llamad_in_the_same_folder_keeps_nothing(stack):
    first = stack.llamad()
    second = stack.llamad({"cluster": {"state_dir": str(first.state_dir)}}, name="second")
    assert "another llamad keeps its state" in second.log
    assert second.health()["store"] is None and first.health()["store"]["ok"]


def test_llamad_without_a_folder_for_state_runs(stack):
    llamad = stack.llamad({"cluster": {"state_dir": "/proc/nowhere"}})
    assert llamad.log.count("nothing is kept over a restart") == 1
    assert llamad.health()["store"] is None
    send_edge(stack)
    llamad.wait_node("edge-01", "online")


def test_own_broker_needs_a_folder_for_state(stack):
    llamad = stack.llamad({"cluster": {"state_dir": "/proc/nowhere"}, "broker": {"run": True, "port": free_port()}},
                          start=False)
    llamad.expected_exit = 78
    llamad.start(wait=False)
    assert llamad.wait_exit() == 78
    assert "cluster.state_dir: cannot write to /proc/nowhere" in llamad.log


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", folder], check=False,
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    with open(folder / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 512)
        except OSError:
            pass


def test_full_disk_costs_only_what_would_have_been_kept(stack, fake, small_disk):
    llamad = stack.llamad({"cluster": {"state_dir": str(small_disk)}})
    llamad.state_dir = small_disk
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    make_events(llamad, fake)
    wait_events_saved(llamad, 2)
    whole = (small_disk / EVENTS).read_bytes()
    fill(small_disk)
    mark = llamad.log_mark()
    rounds = 15  # more than the rest of a page holds
    make_events(llamad, fake, rounds=rounds)
    wait_until(lambda: llamad.health()["store"]["errors"] >= 2, 15, "the disk is noticed to be full, and tried again")
    assert llamad.health()["store"]["ok"] is False and llamad.health()["status"] == "ok"
    assert "No space left" in llamad.wait_log(f"cannot write {small_disk}", since=mark)
    text = (small_disk / EVENTS).read_bytes()
    assert text.startswith(whole) and text.endswith(b"}\n"), "no half line is left"
    assert len(llamad.events(limit=1000)) == 2 + 2 * rounds, "nothing else is affected"
    log = llamad.log_since(mark)
    for kind in ("events", "nodes"):
        assert log.count(f"cannot write {small_disk}/{kind}") <= 1, "once a minute"
    (small_disk / "ballast").unlink()
    wait_until(lambda: file_ids(llamad) == list(range(1, 3 + 2 * rounds)), 10, "all is saved in the end")
    wait_until(lambda: llamad.health()["store"]["ok"], 10, "and said so")
    before = llamad.events(limit=1000)
    llamad.kill()
    start(llamad)
    assert llamad.events(limit=1000) == before


def test_full_disk_delays_no_shutdown(stack, fake, small_disk):
    llamad = stack.llamad({"cluster": {"state_dir": str(small_disk)}})
    fill(small_disk)
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    make_events(llamad, fake)
    send_edge(stack)
    llamad.wait_node("edge-01", "online")
    watch = Stopwatch()
    assert llamad.stop() == 0
    assert watch.seconds < stretched(1.0)


def test_events_file_stays_bounded(stack):
    """Twice as many lines as there are events in memory, at most."""
    llamad = stack.llamad()
    fakes = [stack.fake_agent(f"pi-{i}", interval_s=3600) for i in range(50)]
    for fake in fakes:
        fake.heartbeat()
    wait_until(lambda: len(llamad.nodes()) == 50, 10, "all are there")
    most = 0
    for turn in range(46):
        for fake in fakes:
            source = {"ok": turn % 2 == 1, "error": None if turn % 2 else "refused"}
            fake.heartbeat(source=source)
        wait_until(lambda: llamad.events(limit=1)[0]["id"] == 50 * (turn + 1), 10, f"events of turn {turn}")
        wait_until(lambda: file_ids(llamad)[-1] == 50 * (turn + 1), 5, "saved")
        most = max(most, len(file_ids(llamad)))
    assert 1000 < most <= 2000
    ids = file_ids(llamad)
    assert ids == list(range(ids[0], ids[-1] + 1)) and len(ids) >= 1000
    before = llamad.events(limit=1000)
    llamad.kill()
    start(llamad)
    assert llamad.events(limit=1000) == before
