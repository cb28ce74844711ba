"""How an agent meets its broker: MQTT 5, 3.1.1 where it must be, names in use, credentials, TLS."""

import subprocess
import time

import pytest

from tests.support.gatekeeper import (CLOSE, HANG, MESSAGE_EXPIRY, PASS, REFUSE_OLD_STYLE, REFUSE_V5, SESSION_EXPIRY,
                                      SESSION_TAKEN_OVER, USER_PROPERTY, WILL_DELAY, cut_after)
from tests.support.processes import free_port
from tests.support.shapes import RETAIN_S
from tests.support.tls import Authority
from tests.support.waiting import hold, wait_until

NAME_TAKEN = "another agent uses this name"


def test_connect_packet_is_that_of_the_contract(stack):
    keeper = stack.gatekeeper()
    stack.agent(stack.node(), broker_port=keeper.port)
    connect = wait_until(lambda: keeper.connects, 5, "CONNECT")[0]
    assert (connect.level, connect.clean, connect.keepalive, connect.client_id) == (5, True, 10, "alpaca-kitchen")
    assert connect.properties.get(SESSION_EXPIRY, [0]) == [0]
    assert (connect.will_topic, connect.will_qos, connect.will_retain) == ("alpaca/kitchen/status", 1, True)
    assert b'"offline"' in connect.will_payload
    assert connect.will_properties.get(WILL_DELAY, [0]) == [0]
    assert connect.will_properties[MESSAGE_EXPIRY] == [RETAIN_S]
    assert connect.will_properties[USER_PROPERTY] == [("expiry", str(RETAIN_S))]


def test_keepalive_is_two_heartbeats(stack):
    keeper = stack.gatekeeper()
    stack.agent(stack.node(), {"alpaca": {"heartbeat_interval": 10}}, broker_port=keeper.port)
    assert wait_until(lambda: keeper.connects, 5, "CONNECT")[0].keepalive == 20


@pytest.mark.parametrize("refusal, refused", [(REFUSE_V5, 1), (REFUSE_OLD_STYLE, 1), (CLOSE, 2)])
def test_broker_without_mqtt5_gets_311(stack, refusal, refused):
    keeper = stack.gatekeeper(lambda connect, _number: refusal if connect.level == 5 else PASS)
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node(), broker_port=keeper.port)
    status = reader.wait_for("alpaca/kitchen/status", timeout=15)
    assert status.json["state"] == "online" and status.retain
    message = reader.wait_for("alpaca/kitchen/readings")
    assert message.retain and message.expiry is None and not message.user
    assert [c.level for c in keeper.connects] == [5] * refused + [4]
    old = keeper.connects[-1]
    assert (old.will_topic, old.will_retain, old.client_id) == ("alpaca/kitchen/status", True, "alpaca-kitchen")
    agent.kill()
    reader.wait_for("alpaca/kitchen/status", lambda m: m.json["state"] == "offline")


def test_broker_that_never_answers_is_left_and_tried_again(stack):
    """A CONNACK that does not come has a deadline of its own."""
    keeper = stack.gatekeeper(lambda _connect, number: HANG if number == 1 else PASS)
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(), broker_port=keeper.port)
    reader.wait_for("alpaca/kitchen/readings", timeout=40)


def test_agent_waits_for_its_broker(stack):
    port = free_port()
    agent = stack.agent(stack.node(), broker_port=port)
    agent.wait_log("refused", 5)
    stack.broker(port=port)
    stack.mqtt_client("alpaca/#").wait_for("alpaca/kitchen/readings", timeout=15)
    assert agent.alive


def test_agent_outlives_its_broker(stack):
    broker = stack.broker()
    agent = stack.agent(stack.node())
    stack.mqtt_client("alpaca/#").wait_for("alpaca/kitchen/readings")
    broker.kill()
    hold(lambda: agent.alive, 1.5, "the agent runs on without a broker")
    broker.start()
    reader = stack.mqtt_client("alpaca/#")
    for leaf in ("status", "health", "readings", "observations", "memories", "stats"):
        reader.wait_for(f"alpaca/kitchen/{leaf}", timeout=15)


def test_two_agents_under_one_name_do_not_fight(stack):
    keeper = stack.gatekeeper()
    reader = stack.mqtt_client("alpaca/#")
    agents = [stack.agent(node, broker_port=keeper.port, name=name)
              for node, name in ((stack.node(), "first"), (stack.node("empty", "kitchen"), "second"))]
    wait_until(lambda: any(NAME_TAKEN in agent.log for agent in agents), 20, "one of them sees it")
    connects = len(keeper.connects)
    assert connects <= 7
    hold(lambda: len(keeper.connects) == connects, 6, "it does not come back at once")
    assert sum(NAME_TAKEN in agent.log for agent in agents) == 1
    newest = reader.messages("alpaca/kitchen/health")[-1]
    assert time.monotonic() - newest.at < 2, "the other goes on undisturbed"


def test_session_taken_over_means_the_name_is_taken(stack):
    keeper = stack.gatekeeper(lambda _connect, _number: cut_after(0.3, SESSION_TAKEN_OVER))
    agent = stack.agent(stack.node(), broker_port=keeper.port)
    agent.wait_log(NAME_TAKEN)
    agent.wait_log("the broker ended the connection: session taken over")
    hold(lambda: len(keeper.connects) == 1, 6, "the agent backs off")


def test_three_short_connections_mean_the_name_is_taken(stack):
    keeper = stack.gatekeeper(lambda _connect, _number: cut_after(0.3))
    agent = stack.agent(stack.node(), broker_port=keeper.port)
    agent.wait_log(NAME_TAKEN, 15)
    assert len(keeper.connects) == 3
    hold(lambda: len(keeper.connects) == 3, 6, "the agent backs off")


def passwords(folder):
    path = folder / "passwd"
    subprocess.run(["/usr/bin/mosquitto_passwd", "-c", "-b", path, "llama", "s3cret ü#"], check=True)
    return path


@pytest.mark.parametrize("how", ["password", "password_file"])
def test_credentials_come_from_config(stack, tmp_path, how):
    stack.broker(anonymous=False, lines=[f"password_file {passwords(tmp_path)}"])
    if how == "password_file":
        (tmp_path / "secret").write_text("s3cret ü#\n")
        secret = {"password_file": str(tmp_path / "secret")}
    else:
        secret = {"password": "s3cret ü#"}
    reader = stack.mqtt_client("alpaca/#", username="llama", password="s3cret ü#")
    agent = stack.agent(stack.node(), {"mqtt": {"username": "llama", **secret}})
    reader.wait_for("alpaca/kitchen/readings")
    assert "s3cret" not in agent.log
    llamad = stack.llamad({"mqtt": {"username": "llama", **secret}})
    llamad.wait_node("kitchen", "online")


def test_wrong_password_is_said_and_not_hammered(stack, tmp_path):
    stack.broker(anonymous=False, lines=[f"password_file {passwords(tmp_path)}"])
    keeper = stack.gatekeeper()
    agent = stack.agent(stack.node(), {"mqtt": {"username": "llama", "password": "wrong"}}, broker_port=keeper.port)
    line = agent.wait_log("authori", 5)
    assert "wrong" not in line
    hold(lambda: agent.alive and len(keeper.connects) <= 6, 5, "few attempts, no exit")


def tls_lines(port, authority, cert, key):
    return [f"listener {port} 127.0.0.1", f"cafile {authority.cert}", f"certfile {cert}", f"keyfile {key}"]


def tls_broker(stack, tmp_path):
    authority = Authority(tmp_path / "tls")
    cert, key = authority.server()
    port = free_port()
    stack.broker(lines=tls_lines(port, authority, cert, key))
    return authority, port


def test_tls_with_our_own_authority(stack, tmp_path):
    authority, port = tls_broker(stack, tmp_path)
    tls = {"mqtt": {"tls": {"ca": str(authority.cert)}}}
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(), tls, broker_port=port)
    reader.wait_for("alpaca/kitchen/readings")
    stack.llamad(tls, broker_port=port).wait_node("kitchen", "online")


def test_tls_refuses_a_strangers_certificate(stack, tmp_path):
    _authority, port = tls_broker(stack, tmp_path)
    stranger = Authority(tmp_path / "stranger", "stranger")
    reader = stack.mqtt_client("alpaca/#")
    agent = stack.agent(stack.node(), {"mqtt": {"tls": {"ca": str(stranger.cert)}}}, broker_port=port)
    agent.wait_log("tls", 5)
    hold(lambda: not reader.messages("alpaca/#") and agent.alive, 2, "nothing is said to a stranger")


def test_tls_refuses_a_certificate_for_another_host(stack, tmp_path):
    authority = Authority(tmp_path / "tls")
    cert, key = authority.server("other", "DNS:other.example")
    port = free_port()
    stack.broker(lines=tls_lines(port, authority, cert, key))
    reader = stack.mqtt_client("alpaca/#")
    stack.agent(stack.node(), {"mqtt": {"tls": {"ca": str(authority.cert)}}}, broker_port=port)
    hold(lambda: not reader.messages("alpaca/#"), 3, "nothing is said to another host")


def test_tls_client_certificate(stack, tmp_path):
    authority = Authority(tmp_path / "tls")
    cert, key = authority.server()
    client_cert, client_key = authority.server("client")
    port = free_port()
    stack.broker(lines=tls_lines(port, authority, cert, key) + ["require_certificate true"])
    reader = stack.mqtt_client("alpaca/#")
    tls = {"ca": str(authority.cert), "cert": str(client_cert), "key": str(client_key)}
    stack.agent(stack.node(), {"mqtt": {"tls": tls}}, broker_port=port)
    reader.wait_for("alpaca/kitchen/readings")
