"""llamad's own broker beyond loopback: TLS, accounts, and who may do what."""

from __future__ import annotations

import ssl

import pytest

from tests.support.locked_broker import LockedBroker
from tests.support.raw_mqtt import RawMqtt, publish_packet
from tests.support.waiting import hold, wait_until

ODD_NAMES = ["pi b ü", "%c", "a%ub", "$x"[1:] + "$", "日本語-1", "a'b\"c\\d", "x y"]


@pytest.fixture(scope="module")
def locked(module_stack):
    broker = LockedBroker(module_stack)
    broker.passwords = broker.add("pi-a", "pi-b", "llamad", "llamad-replica", "homeassistant", "smollama", *ODD_NAMES)
    yield broker
    broker.close()


@pytest.fixture
def everything(locked, module_stack):
    """Sees all that gets through."""
    return module_stack.mqtt_client("#", port=locked.port)


def connect(locked, name, *topics, **options):
    return locked.client(name, locked.passwords[name], *topics, **options)


def test_certificate_is_made_at_the_first_start(locked):
    assert "made a certificate for the broker" in locked.llamad.log
    for name, mode in (("ca.key", 0o600), ("server.key", 0o600), ("server.crt", 0o644)):
        assert (locked.state / "certs" / name).stat().st_mode & 0o777 == mode, name


def test_only_who_knows_the_authority_and_has_an_account_gets_in(locked, module_stack):
    connect(locked, "pi-a").close()
    with pytest.raises(ssl.SSLCertVerificationError):
        module_stack.mqtt_client(port=locked.tls_port, username="pi-a", password="x", ca="/etc/ssl/certs/ca-certificates.crt")
    for name, password in (("pi-a", "wrong"), ("nobody", "x"), ("", ""), (None, None)):
        with pytest.raises(ConnectionRefusedError):
            module_stack.mqtt_client(port=locked.tls_port, username=name, password=password, ca=locked.ca)


@pytest.mark.parametrize("name", ["pi-a", *ODD_NAMES])
def test_node_speaks_for_itself_alone_whatever_its_name(locked, everything, name):
    node = connect(locked, name)
    for kind in ("status", "health", "readings", "observations", "memories", "stats"):
        node.publish(f"alpaca/{name}/{kind}", kind.encode())
    node.publish(f"smollama/{name}/readings", b"edge")
    for topic in ("alpaca/pi-b/health", "alpaca/pi-b/refresh", f"alpaca/{name}/refresh", f"alpaca/{name}", f"alpaca/{name}/x",
                  "alpaca/x/health", "smollama/pi-b/readings", "llama/status", f"llama/{name}/state",
                  "homeassistant/device/alpaca/x/config", "homeassistant/status", "other", "$SYS/broker/uptime"):
        node.publish(topic, b"forged")
    node.publish(f"alpaca/{name}/stats", b"last")
    everything.wait_for(f"alpaca/{name}/stats", lambda m: m.payload == b"last")
    assert not [m.topic for m in everything.messages() if m.payload == b"forged"]
    own = {m.topic for m in everything.messages(f"alpaca/{name}/+")}
    assert own == {f"alpaca/{name}/{kind}" for kind in ("status", "health", "readings", "observations", "memories", "stats")}
    assert everything.messages(f"smollama/{name}/readings")
    node.close()


@pytest.mark.parametrize("topic", ["alpaca/pi-b/status", "llama/status", "llama/pi-b/availability", "homeassistant/device/alpaca/x/config"])
def test_will_speaks_for_nobody_else(locked, everything, topic):
    """A last will is published by the broker, not by the client."""
    victim = connect(locked, "pi-b")
    attacker = RawMqtt(locked.tls_port, locked.ca, "pi-a", locked.passwords["pi-a"], will=(topic, b"forged"))
    attacker.socket.close()
    own = RawMqtt(locked.tls_port, locked.ca, "pi-a", locked.passwords["pi-a"], will=("alpaca/pi-a/status", b"gone by " + topic.encode()))
    assert own.code == 0
    own.socket.close()
    everything.wait_for("alpaca/pi-a/status", lambda m: m.payload == b"gone by " + topic.encode())
    assert not [m.topic for m in everything.messages() if m.payload == b"forged"]
    victim.close()


def test_alias_of_a_forbidden_topic_is_forbidden(locked, everything):
    node = RawMqtt(locked.tls_port, locked.ca, "pi-a", locked.passwords["pi-a"])
    node.socket.sendall(publish_packet("alpaca/pi-a/stats", b"by name", alias=1) + publish_packet("", b"by alias", alias=1))
    everything.wait_for("alpaca/pi-a/stats", lambda m: m.payload == b"by alias")
    node.socket.sendall(publish_packet("alpaca/pi-b/stats", b"forged", alias=1) + publish_packet("", b"forged", alias=1) +
                        publish_packet("alpaca/pi-a/stats", b"after it"))
    everything.wait_for("alpaca/pi-a/stats", lambda m: m.payload == b"after it")
    assert not [m.topic for m in everything.messages() if m.payload == b"forged"]
    node.socket.close()


def test_node_gets_nothing_that_was_retained_before_it_came(locked, everything):
    topics = ("alpaca/pi-b/health", "smollama/pi-b/readings", "llama/pi-b/state", "homeassistant/device/alpaca/x/config",
              "alpaca/pi-a/refresh")
    for topic in topics:
        everything.publish(topic, b"kept", retain=True)
    node = connect(locked, "pi-a", "#", "+/+/+", "homeassistant/#")
    node.wait_for("alpaca/pi-a/refresh")
    hold(lambda: {m.topic for m in node.messages()} == {"alpaca/pi-a/refresh"}, 0.2, "nothing else reaches it")
    node.close()
    for topic in topics:
        everything.publish(topic, b"", retain=True)


def test_node_hears_its_own_refresh_alone(locked, everything):
    topics = ["#", "alpaca/#", "alpaca/pi-b/+", "alpaca/+/refresh", "smollama/#", "llama/#", "homeassistant/#", "$SYS/#",
              "$share/g/alpaca/#"]
    node = connect(locked, "pi-a", *topics)
    for topic in ("alpaca/pi-b/refresh", "alpaca/pi-b/health", "alpaca/pi-a/health", "smollama/pi-a/readings", "llama/status",
                  "homeassistant/status", "alpaca/pi-a/refresh"):
        everything.publish(topic, b"for whom?")
    node.wait_for("alpaca/pi-a/refresh")
    hold(lambda: {m.topic for m in node.messages()} == {"alpaca/pi-a/refresh"}, 0.3, "nothing else reaches it")
    node.close()


def test_nobody_is_thrown_out_by_somebody_elses_client_id(locked, everything):
    victim = connect(locked, "pi-b")
    attacker = connect(locked, "pi-a", client_id="alpaca-pi-b")
    attacker.publish("alpaca/pi-a/health", b"attacker is in")
    everything.wait_for("alpaca/pi-a/health", lambda m: m.payload == b"attacker is in")
    victim.publish("alpaca/pi-b/health", b"victim too")
    everything.wait_for("alpaca/pi-b/health", lambda m: m.payload == b"victim too")
    assert victim.connected
    victim.close()
    attacker.close()


def test_services_do_what_they_need_and_nothing_else(locked, everything):
    every = ["alpaca/x/health", "alpaca/x/readings", "alpaca/x/refresh", "smollama/x/readings", "llama/x/state", "llama/x/availability",
             "homeassistant/device/alpaca/x/config", "homeassistant/status", "homeassistant/sensor/other/config", "own/thing"]
    writes = {"llamad": [0, 1, 2, 4, 5, 6], "llamad-replica": [2], "homeassistant": [7], "smollama": []}
    reads = {"llamad": [0, 1, 3, 5, 6, 7], "llamad-replica": [0, 1, 3], "homeassistant": [4, 5, 6, 7, 8], "smollama": [3]}
    for name in writes:
        client = connect(locked, name)
        for topic in [*every, f"alpaca/{name}/health", f"smollama/{name}/readings"]:
            client.publish(topic, f"by {name}".encode())
        marker = client.subscribe("#")
        for topic in every:
            everything.publish(topic, f"to {name}".encode())
        everything.wait_count("#", 1)
        wait_until(lambda: len([m for m in everything.messages() if m.payload == f"to {name}".encode()]) == len(every), 5, "all sent")
        wanted = [every[i] for i in reads[name]]
        hold(lambda: True, 0.1, "the last has arrived")
        assert {m.topic for m in marker.messages() if m.payload == f"to {name}".encode()} == set(wanted), name
        written = [m.topic for m in everything.messages() if m.payload == f"by {name}".encode()]
        # llamad deletes what a node left behind, and so may write all of a node's topics.
        assert written == [every[i] for i in writes[name]], name
        client.close()


def test_accounts_of_the_network_do_not_hinder_loopback(locked, module_stack):
    module_stack.mqtt_client("alpaca/x/readings", port=locked.port).close()


def test_new_certificate_is_used_without_a_restart(locked):
    def serial() -> str:
        context = ssl.create_default_context(cafile=str(locked.ca))
        with context.wrap_socket(__import__("socket").create_connection(("127.0.0.1", locked.tls_port)),
                                 server_hostname="localhost") as tls:
            return tls.getpeercert()["serialNumber"]
    first = serial()
    node = connect(locked, "pi-a")
    mark = locked.llamad.log_mark()
    assert "renewed" in locked.run("certs", "--name", "another.lan").stdout
    locked.llamad.wait_log("mosquitto reads them again", since=mark)
    wait_until(lambda: serial() != first, 3, "the new certificate is shown")
    assert node.connected and locked.llamad.health()["broker"]["child"]["restarts"] == 0
    node.close()
