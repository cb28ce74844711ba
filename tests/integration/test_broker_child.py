"""broker.run: llamad with a mosquitto of its own."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.support.processes import free_port, listening
from tests.support.set_clock import SetClock
from tests.support.waiting import hold, wait_until


@pytest.fixture
def state_dir():
    """Outside pytest's own folder, which only root may enter: the broker runs as another user then."""
    folder = Path(tempfile.mkdtemp(prefix="llamad-state-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def llamad(stack, state_dir):
    port = free_port()
    config = {"broker": {"run": True, "listen": "127.0.0.1", "port": port}, "cluster": {"state_dir": str(state_dir)}}
    llamad = stack.llamad(config, broker_port=port)
    llamad.broker_port = port
    llamad.wait_broker()
    return llamad


def broker_pid(llamad) -> int:
    """The mosquitto below llamad, wherever in the tree it is."""
    pending = llamad.children()
    while pending:
        pid = pending.pop()
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "mosquitto":
                return pid
            pending += [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            continue
    raise KeyError("no mosquitto below llamad")


def test_agents_meet_at_llamads_broker(stack, llamad):
    assert broker_pid(llamad)
    stack.agent(stack.node(), broker_port=llamad.broker_port)
    llamad.wait_node("kitchen", "online", counts={"readings": 13, "observations": 40, "memories": 12})


def test_killed_broker_is_started_again(stack, llamad):
    stack.agent(stack.node(), broker_port=llamad.broker_port)
    llamad.wait_node("kitchen", "online")
    first = broker_pid(llamad)
    os.kill(first, signal.SIGKILL)
    second = wait_until(lambda: broker_pid(llamad) != first and broker_pid(llamad), 10, "another mosquitto")
    assert second != first
    llamad.wait_broker()
    llamad.wait_node("kitchen", "online", via="mqtt")


def test_restart_with_its_broker_is_no_event_of_the_nodes(stack, llamad):
    """A broker that ends publishes everybody's will, and remembers it: those who come back were never gone."""
    node, broken = stack.node(), stack.node("empty")
    for each in (node, broken):
        stack.agent(each, {"alpaca": {"heartbeat_interval": 2}}, broker_port=llamad.broker_port, announce=True)
    llamad.wait_node("kitchen", "online", via="mqtt")
    broken.stop()
    llamad.wait_node("empty", "degraded", cause="smollama_down")
    before = llamad.events(limit=1000)
    llamad.stop()
    llamad.start()
    llamad.wait_node("kitchen", "online", via="mqtt", timeout=10)
    llamad.wait_node("empty", "degraded", cause="smollama_down", timeout=10)
    assert llamad.events(limit=1000) == before


def test_broker_that_hangs_is_started_again(stack, state_dir, tmp_path):
    """It lives, its kernel takes connections, and nobody answers: the keepalive tells. Time is made to pass."""
    port, clock = free_port(), SetClock(tmp_path)
    llamad = stack.llamad({"broker": {"run": True, "listen": "127.0.0.1", "port": port},
                           "cluster": {"state_dir": str(state_dir)}}, broker_port=port, env=clock.env)
    llamad.wait_broker()
    stack.agent(stack.node(), broker_port=port)
    llamad.wait_node("kitchen", "online")
    first = broker_pid(llamad)

    def restarted() -> bool:
        clock.skip(1)
        llamad.health()
        return "it is restarted" in llamad.log
    hold(lambda: not restarted(), 3, "one that answers is left alone")
    assert clock.skipped > 20 and llamad.log.count("lost the broker") == 0
    os.kill(first, signal.SIGSTOP)
    began = clock.skipped
    wait_until(restarted, 20, "it is noticed")
    assert clock.skipped - began > 10, "not before it has had its time"
    assert f"mosquitto (pid {first}) lives, but has not answered 2 connects in a row" in llamad.log
    wait_until(lambda: broker_pid(llamad) != first and broker_pid(llamad), 15, "another mosquitto")
    llamad.wait_broker()
    llamad.wait_node("kitchen", "online", timeout=20, via="mqtt")
    assert llamad.log.count("it is restarted") == 1


def test_broker_ends_with_llamad(llamad):
    pid = broker_pid(llamad)
    assert llamad.stop() == 0
    wait_until(lambda: not Path(f"/proc/{pid}").exists() and not listening(llamad.broker_port), 3, "the broker is gone")


def test_broker_ends_even_when_llamad_is_killed(llamad):
    pid = broker_pid(llamad)
    llamad.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 5, "the broker is gone")
    assert not listening(llamad.broker_port)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_retained_state_is_kept_on_disk(stack, llamad, how):
    writer = stack.mqtt_client(port=llamad.broker_port)
    writer.publish("alpaca/x/kept", b"still here", retain=True)
    pid = broker_pid(llamad)
    getattr(llamad, how)()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 5, "the first broker is gone")
    llamad.start()
    llamad.wait_broker()
    reader = stack.mqtt_client("alpaca/x/kept", port=llamad.broker_port)
    assert reader.wait_for("alpaca/x/kept").payload == b"still here"


def test_taken_port_is_a_clear_error_and_the_other_broker_is_left_alone(stack, state_dir):
    other = stack.broker()
    llamad = stack.llamad({"broker": {"run": True, "listen": "127.0.0.1", "port": other.port},
                           "cluster": {"state_dir": str(state_dir)}}, start=False)
    llamad.start(wait=False)
    line = llamad.wait_log("in use")
    assert str(other.port) in line
    assert other.alive and listening(other.port)
    wait_until(lambda: not llamad.alive or llamad.http.get("/api/health").json["status"] == "degraded", 5,
               "llamad ends or says that it is degraded")
    if not llamad.alive:
        llamad.expected_exit = 1


def test_broker_listens_where_it_was_told_only(llamad):
    sockets = Path("/proc/net/tcp").read_text().splitlines()[1:]
    port = f"{llamad.broker_port:04X}"
    addresses = {line.split()[1].split(":")[0] for line in sockets if line.split()[1].endswith(":" + port)
                 and line.split()[3] == "0A"}
    assert addresses == {"0100007F"}


def test_state_is_not_readable_by_everybody(llamad, state_dir):
    folder = state_dir / "broker"
    assert folder.is_dir() and folder.stat().st_mode & 0o007 == 0


def test_broker_survives_a_signal_meant_for_the_terminal(llamad):
    """Ctrl-C reaches the whole group; llamad ends the broker itself, in order."""
    hold(lambda: listening(llamad.broker_port), 0.5, "the broker runs")
    assert llamad.stop(number=signal.SIGINT) == 0
