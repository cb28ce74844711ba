"""Broker, clients and the proxy of the tests work with each other."""

import pytest

from tests.support.gatekeeper import CLOSE, REFUSE_V5, cut_after
from tests.support.mqtt_client import MqttClient
from tests.support.processes import Process, free_port, listening, run_to_end
from tests.support.waiting import Stopwatch, wait_until


def test_broker_delivers_with_retain_and_properties(stack):
    reader = stack.mqtt_client("a/#")
    stack.mqtt.publish("a/b", b"\x00\xff", retain=True, expiry=100, user={"expiry": "100"})
    message = reader.wait_for("a/b")
    assert (message.payload, message.retain, message.qos, message.expiry) == (b"\x00\xff", True, 1, 100)
    assert message.user == {"expiry": "100"}


def test_broker_comes_back_on_its_port(stack):
    broker = stack.broker()
    broker.kill()
    assert not listening(broker.port)
    broker.start()
    stack.mqtt.publish("x", b"1")


def test_persistent_broker_keeps_retained(stack):
    broker = stack.broker(persistent=True)
    stack.mqtt.publish("kept", b"1", retain=True)
    broker.stop()
    broker.start()
    assert stack.mqtt_client("kept").wait_for("kept").payload == b"1"


def test_gatekeeper_reads_connects(stack):
    keeper = stack.gatekeeper()
    client = MqttClient(keeper.port, client_id="me", username="u", password="p")
    client.close()
    connect = keeper.connects[0]
    assert (connect.level, connect.client_id, connect.username, connect.password) == (5, "me", "u", b"p")
    wait_until(lambda: keeper.packets(14), 2, "DISCONNECT seen")


@pytest.mark.parametrize("verdict", [CLOSE, REFUSE_V5])
def test_gatekeeper_refuses(stack, verdict):
    keeper = stack.gatekeeper(lambda _connect, number: verdict if number == 1 else cut_after(60))
    with pytest.raises(ConnectionRefusedError):
        MqttClient(keeper.port)
    client = MqttClient(keeper.port)
    assert len(keeper.connects) >= 2
    client.close()


def test_process_end_is_checked(tmp_path):
    good = Process("good", ["/bin/sleep", "60"], tmp_path).start()
    assert good.finish() == ["good ended with -15, not 0"]
    bad = Process("bad", ["/bin/sh", "-c", "echo 'x.c:1: runtime error: oh'"], tmp_path).start()
    bad.wait_exit()
    assert len(bad.finish()) == 1
    assert bad.log == "x.c:1: runtime error: oh\n"


def test_stubborn_process_is_killed(tmp_path):
    script = "trap '' TERM; echo up; while :; do sleep 0.1; done"
    process = Process("stubborn", ["/bin/sh", "-c", script], tmp_path).start()
    process.wait_log("up")
    watch = Stopwatch()
    with pytest.raises(AssertionError, match="still runs"):
        process.stop(0.3)
    assert watch.seconds < 5
    process.kill()
    assert not process.alive


def test_waiting_names_what_it_waited_for():
    with pytest.raises(AssertionError, match="the moon.*KeyError"):
        wait_until(lambda: {}["x"], 0.1, "the moon")


def test_run_to_end_sees_streams(tmp_path):
    done = run_to_end(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_free_ports_are_free():
    assert not listening(free_port())
