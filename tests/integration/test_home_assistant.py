"""Discovery: every node is a device in Home Assistant, whose rules a strict stand-in plays."""

import json

import pytest

from tests.support.fake_agent import stats_body
from tests.support.gatekeeper import CLOSE, PASS
from tests.support.home_assistant import HomeAssistant
from tests.support.processes import ROOT
from tests.support.waiting import hold, wait_until

CONFIGS = "homeassistant/device/alpaca/+/config"


@pytest.fixture
def client(stack):
    return stack.mqtt_client("homeassistant/#", "llama/#")


def seen(client):
    return HomeAssistant().take_all(client)


def wait_for(client, what, predicate, timeout=20):
    """The stand-in, once `predicate` holds; it has nothing to complain of."""
    def look():
        home = seen(client)
        return home if predicate(home) else None
    home = wait_until(look, timeout, what, interval=0.2)
    assert home.complaints == []
    return home


def has(home, device, *names):
    entities = home.of(device)
    return all(name in entities for name in names)


def reading(full_id, value, unit=None):
    return {"full_id": full_id, "value": value, "unit": unit, "timestamp": "2026-11-23T08:00:00", "metadata": None}


def body(*readings):
    return json.dumps({"timestamp": "2026-11-23T08:00:00", "readings": list(readings)}, ensure_ascii=False).encode()


def node_of(stack, name, *readings):
    fake = stack.fake_agent(name, interval_s=3600)
    fake.status()
    fake.heartbeat()
    fake.report("readings", body(*readings))
    fake.report("stats", stats_body(name))
    return fake


def test_node_becomes_a_device_with_its_sensors(stack, client):
    stack.llamad({"http": {"public_url": "https://dash.example/"}})
    fake = node_of(stack, "Pi Küche", reading("system:cpu_temp", 45.5, "celsius"), reading("system:mem_percent", 41.5, "percent"),
                   reading("system:cpu_freq", 1500, "mhz"), reading("dht11:humidity", 40, "%"), reading("gpio:17", 1, "boolean"),
                   reading("x:flag", False), reading("x:object", "person"), reading("x:load", 0.5, "load"), reading("x:w", 3, "W"))
    fake.report("observations", json.dumps({"observations": [
        {"id": 1, "timestamp": "2026-11-23T08:00:00", "text": "ä" * 5000, "type": "general", "confidence": 0.9}]}).encode(), utc_offset_s=0)
    home = wait_for(client, "all is there", lambda h: has(h, "Pi Küche", "x w", "last observation") and
                    h.of("Pi Küche")["last observation"].state and h.of("Pi Küche")["x w"].is_available)
    entities = home.of("Pi Küche")
    assert {n: (e.state, e.config["platform"], e.config.get("device_class"), e.config.get("unit_of_measurement"),
                e.config.get("state_class")) for n, e in entities.items() if "entity_category" not in e.config} == {
        "system cpu temp": ("45.5", "sensor", "temperature", "°C", "measurement"),
        "system mem percent": ("41.5", "sensor", None, "%", "measurement"),
        "system cpu freq": ("1500", "sensor", "frequency", "MHz", "measurement"),
        "dht11 humidity": ("40", "sensor", "humidity", "%", "measurement"),
        "gpio 17": ("on", "binary_sensor", None, None, None), "x flag": ("off", "binary_sensor", None, None, None),
        "x object": ("person", "sensor", None, None, None), "x load": ("0.5", "sensor", None, "load", "measurement"),
        "x w": ("3", "sensor", None, "W", "measurement"),
        "last observation": ("2026-11-23T08:00:00.000Z", "sensor", "timestamp", None, None)}
    assert {n: e.state for n, e in entities.items() if "entity_category" in e.config and n not in ("last seen", "clock skew")} == {
        "state": "online", "cause": "ok", "via": "mqtt", "agent version": "0.1.0", "readings": "9", "observations": "3",
        "memories": "2"}
    assert entities["last observation"].attributes == {"text": "ä" * 2600, "type": "general", "confidence": 0.9}
    assert entities["state"].attributes["reason"].startswith("heartbeats every")
    device = home.device("Pi Küche")["device"]
    assert device["configuration_url"] == "https://dash.example/#/readings?node=Pi%20K%C3%BCche"
    llama = home.device("Llama")["device"]
    assert device["via_device"] in llama["identifiers"] and llama["configuration_url"] == "https://dash.example/"
    assert {n: e.state for n, e in home.of("Llama").items() if n in ("nodes online", "llamad", "version")} == {
        "nodes online": "1", "llamad": "on", "version": "0.1.0"}
    assert entities["system cpu temp"].config["default_entity_id"] == "sensor.pi_k_che_system_cpu_temp"
    messages = client.messages(CONFIGS)
    assert {(m.qos, m.retain) for m in messages} == {(1, True)}


def test_cause_stays_visible_while_the_node_is_down(stack, client):
    llamad = stack.llamad()
    node = stack.node("kitchen", "polled")
    llamad.stop()
    llamad = stack.llamad({"cluster": {"manual_nodes": [{"name": "polled", "url": node.url}], "aggregation_interval": 1}}, name="second")
    wait_for(client, "it is there", lambda h: has(h, "polled", "system cpu temp") and h.of("polled")["system cpu temp"].is_available)
    node.stop()
    home = wait_for(client, "it is away", lambda h: not h.of("polled")["system cpu temp"].is_available)
    entities = home.of("polled")
    assert entities["cause"].is_available and entities["cause"].state == "no_answer" and entities["state"].state == "unreachable"
    llamad.stop()
    home = wait_for(client, "llamad is away", lambda h: not h.of("polled")["cause"].is_available)
    assert home.of("Llama")["llamad"].state == "off"


NASTY = ["a/b c:d", "emoji:🦙🦙", "x:" + "y" * 200, "p:a.b", "p:a-b", "p:a b", "p:a_b", "quote:'\"\\{{ 1/0 }}{% x %}", "P:A_B", "nul:\u0000\n",
         "_node", "🦙", "p:a_b_0123456789ab"]


def test_odd_names_stay_apart(stack, client):
    """Each shows its own value."""
    stack.llamad()
    node_of(stack, "pi 🦙 x", *(reading(name, n + 0.5) for n, name in enumerate(NASTY)))
    node_of(stack, "pi x", reading("a:b", 1))
    node_of(stack, "pi-x", reading("a:b", 2))
    node_of(stack, "pi.x", reading("a:b", 3))
    home = wait_for(client, "all are there", lambda h: len(h.devices) == 5 and all(
        e.state is not None for d in ("pi x", "pi-x", "pi.x") for n, e in h.of(d).items() if n == "a b"))
    assert [home.of(d)["a b"].state for d in ("pi x", "pi-x", "pi.x")] == ["1", "2", "3"]
    topic = home.device("pi 🦙 x")["device"]["identifiers"]
    states = sorted(float(e.state) for e in home.entities.values()
                    if e.document["device"]["identifiers"] == topic and e.key.startswith("r_"))
    assert states == [n + 0.5 for n, name in enumerate(NASTY) if name != "_node"]


def test_values_that_change_type_and_odd_units(stack, client):
    stack.llamad()
    fake = node_of(stack, "pi", reading("a:number", 1.5, "celsius"), reading("a:bool", True), reading("a:none", None),
                   reading("a:cm", None, "cm"), reading("a:unit", 5, "<b>furlong\n</b>" * 9), reading("a:blank", 5, "  "),
                   reading("a:seven", 7, "boolean"), reading("a:list", [1, {"x": "y" * 400}]), reading("a:long", "z" * 1000))
    home = wait_for(client, "all are there", lambda h: has(h, "pi", "a long") and h.of("pi")["a long"].state)
    entities = home.of("pi")
    assert "a none" not in entities and entities["a cm"].state is None and entities["a seven"].state == "7"
    assert "unit_of_measurement" not in entities["a blank"].config and len(entities["a unit"].config["unit_of_measurement"]) <= 32
    assert entities["a long"].state == "z" * 255 and entities["a list"].state.startswith('[1, {"x"')
    fake.report("readings", body(reading("a:number", "hot", "celsius"), reading("a:bool", 3), reading("a:none", "now"),
                                 reading("a:cm", True, "cm"), reading("a:unit", [], None), reading("a:blank", {}, None),
                                 reading("a:seven", 1, "boolean"), reading("a:list", 1), reading("a:long", None)))
    home = wait_for(client, "all have changed", lambda h: has(h, "pi", "a none") and h.of("pi")["a none"].state == "now")
    entities = home.of("pi")
    assert all(entities[f"a {name}"].state is None for name in ("number", "bool", "cm", "unit", "blank", "long")), "unknown"
    assert entities["a seven"].state == "1" and entities["a list"].state == "1"
    assert entities["a number"].config["unit_of_measurement"] == "°C" and entities["a number"].config["state_class"]
    fake.report("readings", body(reading("a:number", 2.5, "celsius"), reading("a:bool", False)))
    wait_for(client, "what fits is shown again",
             lambda h: h.of("pi")["a number"].state == "2.5" and h.of("pi")["a bool"].state == "off")


def test_edge_values_that_are_no_numbers(stack, client):
    """NaN and infinities of Smollama's edge nodes, and what no double can hold."""
    stack.llamad()
    payload = (b'{"node":"edge","readings":[{"source":"a:nan","value":NaN,"unit":"celsius"},{"source":"a:inf","value":-Infinity,'
               b'"unit":"celsius"},{"source":"a:big","value":1e999,"unit":"W"},{"source":"a:ok","value":1e300,"unit":"W"}]}')
    stack.mqtt.publish("smollama/edge/readings", payload, qos=0)
    home = wait_for(client, "it is there", lambda h: has(h, "edge", "a ok") and h.of("edge")["a ok"].state)
    entities = home.of("edge")
    assert [entities[f"a {n}"].state for n in ("nan", "inf", "big")] == [None] * 3 and float(entities["a ok"].state) == 1e300
    assert b"NaN" not in b"".join(m.payload for m in client.messages()) and b"1e999" not in b"".join(
        m.payload for m in client.messages("llama/#"))


def test_what_strict_readers_refuse_harms_nobody(stack, client):
    """Home Assistant's JSON reader refuses a whole message for half of a surrogate pair, or for a number beyond a double."""
    stack.llamad()
    fake = node_of(stack, "pi", reading("a:fine", 1))
    fake.report("readings", b'{"readings":[{"full_id":"a:fine","value":2},{"full_id":"a:half","value":"x\\ud83ey"},'
                            b'{"full_id":"a:deep","value":[1e999,"\\udc00"]}]}')
    fake.report("observations", b'{"observations":[{"id":1,"timestamp":"2026-11-23T08:00:00","text":"' + b"\\u0001" * 4000 +
                b'\\ud83e","type":"' + b"\\u0001" * 300 + b'","confidence":1e999}]}', utc_offset_s=0)
    home = wait_for(client, "all is there", lambda h: has(h, "pi", "a half", "a deep", "last observation") and
                    h.of("pi")["a deep"].state and h.of("pi")["last observation"].attributes)
    entities = home.of("pi")
    assert entities["a fine"].state == "2" and entities["a half"].state == "x\ufffdy"
    assert json.loads(entities["a deep"].state) == [None, "\ufffd"]
    assert len(entities["last observation"].attributes["text"]) == 2600
    fake.report("observations", b'{"observations":[]}')
    wait_until(lambda: client.messages("llama/pi/observation")[-1].payload == b"", 10, "the last one is gone")
    wait_for(client, "the entity goes, too", lambda h: not has(h, "pi", "last observation"))


def test_vanished_reading_is_removed_and_comes_back(stack, client):
    stack.llamad()
    fake = node_of(stack, "pi", reading("a:stays", 1), reading("a:goes", 2))
    home = wait_for(client, "both are there", lambda h: has(h, "pi", "a goes"))
    unique_id = home.of("pi")["a goes"].config["unique_id"]
    fake.report("readings", body(reading("a:stays", 1)))
    wait_for(client, "it is removed", lambda h: not has(h, "pi", "a goes"))
    wait_until(lambda: b'{"platform":"sensor"}' not in client.messages("homeassistant/device/alpaca/pi/config")[-1].payload,
               10, "and left out")
    fake.report("readings", body(reading("a:goes", 3), reading("a:stays", 1)))
    home = wait_for(client, "it is back", lambda h: has(h, "pi", "a goes") and h.of("pi")["a goes"].state == "3")
    assert home.of("pi")["a goes"].config["unique_id"] == unique_id


def test_unchanged_configs_are_not_resent(stack, client):
    """Not for new values or another order of them, not after a reconnect, not by the next llamad."""
    gate = {"open": True}
    keeper = stack.gatekeeper(lambda _connect, _number: PASS if gate["open"] else CLOSE)
    llamad = stack.llamad({"mqtt": {"broker": "127.0.0.1", "port": keeper.port}})
    llamad.wait_broker()
    fake = node_of(stack, "pi", reading("a:b", 1), reading("c:d", 2))
    wait_for(client, "it is there", lambda h: has(h, "pi", "c d"))
    count = len(client.messages(CONFIGS))
    fake.report("readings", body(reading("c:d", 20), reading("a:b", 10)))
    wait_for(client, "new values", lambda h: h.of("pi")["c d"].state == "20")
    gate["open"] = False
    keeper.cut()
    llamad.wait_broker("disconnected")
    gate["open"] = True
    llamad.wait_broker(timeout=20)
    wait_until(lambda: llamad.health()["home_assistant"]["unchanged"] >= 1, 10, "it was looked at again")
    llamad.stop()
    llamad.start()
    llamad.wait_broker()
    fake.heartbeat()
    wait_until(lambda: llamad.health()["home_assistant"]["unchanged"] >= 1, 15, "and by the next llamad")
    assert len(client.messages(CONFIGS)) == count


def test_restart_removes_nothing_that_is_still_to_come(stack, client):
    """The broker has the node's heartbeat, but its readings come later."""
    llamad = stack.llamad()
    fake = node_of(stack, "pi", reading("a:b", 1))
    wait_for(client, "it is there", lambda h: has(h, "pi", "a b"))
    llamad.stop()
    stack.mqtt.publish(fake.topic("readings"), b"", retain=True)
    count = len(client.messages(CONFIGS))
    llamad.start()
    llamad.wait_broker()
    fake.heartbeat()
    llamad.wait_node("pi", "online")
    hold(lambda: len(client.messages(CONFIGS)) == count, 6, "nothing is removed")
    fake.report("readings", body(reading("a:b", 2)))
    wait_for(client, "its value", lambda h: h.of("pi")["a b"].state == "2")
    wait_until(lambda: llamad.health()["home_assistant"]["unchanged"] >= 1, 40, "and nothing had to be said")
    assert len(client.messages(CONFIGS)) == count


@pytest.mark.timeout(120)
def test_forgotten_nodes_and_orphans_leave_and_others_stay(stack, client):
    """A foreign message under our topic is nobody's orphan."""
    foreign = json.dumps({"device": {"identifiers": ["x"], "name": "Foreign"}, "origin": {"name": "other"}, "components": {
        "a": {"platform": "sensor", "unique_id": "foreign", "state_topic": "x"}}})
    stack.mqtt.publish("homeassistant/device/alpaca/foreign/config", foreign, retain=True)
    stack.mqtt.publish("homeassistant/device/alpaca/broken/config", b"{nope", retain=True)
    orphan = foreign.replace('"other"', '"smollama-cluster"').replace("Foreign", "Orphan")
    stack.mqtt.publish("homeassistant/device/alpaca/orphan/config", orphan, retain=True)
    llamad = stack.llamad()
    node_of(stack, "goes", reading("a:b", 1))
    wait_until(lambda: client.messages("homeassistant/device/alpaca/goes/config"), 20, "it is there")
    assert llamad.http.request("DELETE", "/api/cluster/nodes/goes?confirm=goes").status == 204

    def left(topic):
        return client.messages(f"homeassistant/device/alpaca/{topic}/config")[-1].payload
    wait_until(lambda: left("goes") == b"", 10, "a forgotten node leaves")
    gone = client.messages("homeassistant/device/alpaca/goes/config")[-1].at
    emptied = wait_until(lambda: [m.at for m in client.messages("llama/goes/+") if m.payload == b""], 5, "its topics follow")
    assert min(emptied) > gone, "its entities are away before their topics are emptied"
    wait_until(lambda: left("orphan") == b"", 60, "so does what an earlier run left", interval=0.5)
    assert left("foreign").decode() == foreign and left("broken") == b"{nope"
    assert llamad.health()["home_assistant"]["foreign"] == 2 and "somebody else's" in llamad.log


def test_account_of_the_shipped_acl_reads_what_it_published(stack):
    """Or each start would publish everything anew, and no orphan would ever be found: forbidden subscriptions are silent."""
    broker = stack.broker(name="locked", lines=[f"acl_file {ROOT / 'broker-config' / 'acl'}"])
    config = {"mqtt": {"broker": "127.0.0.1", "port": broker.port, "username": "llamad"}}
    node = stack.mqtt_client(port=broker.port, username="pi")
    llamad = stack.llamad(config, broker_port=broker.port)
    llamad.wait_broker()

    def speak():
        node.publish("smollama/pi/readings", {"node": "pi", "readings": [{"source": "a:b", "value": 1, "unit": None}]}, qos=0)
    speak()
    wait_until(lambda: llamad.health()["home_assistant"]["configs"] == 2, 10, "the node and the Llama are announced")
    llamad.stop()
    llamad.start()
    llamad.wait_broker()
    speak()
    wait_until(lambda: llamad.health()["home_assistant"]["unchanged"] == 1, 10, "the node's is known to be there")
    assert llamad.health()["home_assistant"]["configs"] == 0
    other = stack.mqtt_client("llama/status", port=broker.port, username="llamad")
    other.publish("llama/status", b"offline", retain=True)
    wait_until(lambda: [m.payload for m in other.messages("llama/status")][-2:] == [b"offline", b"online"], 5,
               "an earlier run's will is contradicted")


@pytest.mark.timeout(60)
def test_birth_is_heard_where_home_assistant_says_it(stack):
    """Its own topic does not follow the discovery prefix, unless somebody has it do so."""
    llamad = stack.llamad({"home_assistant": {"prefix": "ha"}})
    client = stack.mqtt_client("ha/device/#")
    wait_until(client.messages, 10, "the Llama is announced")
    for count, topic in enumerate(("homeassistant/status", "ha/status"), 1):
        stack.mqtt.publish(topic, b"online")
        wait_until(lambda count=count: llamad.health()["home_assistant"]["births"] >= 1, 5, f"{topic} is heard")
        if count == 1:
            llamad.stop()
            llamad.start()
            llamad.wait_broker()


@pytest.mark.timeout(120)
def test_birth_brings_configs_then_states(stack, client):
    llamad = stack.llamad()
    for n in range(20):
        node_of(stack, f"pi-{n}", reading("a:b", n))
    wait_for(client, "all are there", lambda h: len(h.devices) == 21)
    wait_until(lambda: llamad.health()["home_assistant"]["waiting"] == 0, 20, "all is said")
    newcomer = stack.mqtt_client("homeassistant/device/#", "llama/+/state", "llama/+/availability")
    wait_until(lambda: len(newcomer.messages()) == 61, 10, "the retained ones")
    since = newcomer.messages()[-1].at + 0.001
    for _ in range(2):
        stack.mqtt.publish("homeassistant/status", b"online")
    wait_until(lambda: len(newcomer.messages("llama/+/state", since)) == 20, 50, "all came again", interval=0.5)
    configs, states = newcomer.messages("homeassistant/#", since), newcomer.messages("llama/#", since)
    assert len(configs) == 21 and len(states) == 40
    assert max(m.at for m in configs) <= min(m.at for m in states)
    hold(lambda: len(newcomer.messages("homeassistant/#", since)) == 21, 2, "once for both births")


def test_switched_off_clears_what_was_announced(stack, client):
    llamad = stack.llamad()
    node_of(stack, "pi", reading("a:b", 1))
    wait_for(client, "it is there", lambda h: has(h, "pi", "a b"))
    llamad.stop()
    stack.llamad({"home_assistant": {"enabled": False}}, name="off")
    wait_until(lambda: seen(client).devices == {}, 20, "all devices are gone", interval=0.3)


def test_broker_without_retained_messages(stack):
    """Configs and states come unretained; after a birth once more."""
    broker = stack.broker(name="plain", lines=["retain_available false"])
    client = stack.mqtt_client("homeassistant/#", "llama/#", port=broker.port)
    llamad = stack.llamad(broker_port=broker.port)
    llamad.wait_broker()
    client.publish("smollama/edge/readings", {"node": "edge", "readings": [{"source": "a:b", "value": 1, "unit": None}]}, qos=0)
    home = wait_for(client, "it is there", lambda h: has(h, "edge", "a b") and h.of("edge")["a b"].state == "1")
    assert home.of("edge")["a b"].is_available and llamad.health()["home_assistant"]["left_out"] == 0
    assert "refused" not in llamad.log
