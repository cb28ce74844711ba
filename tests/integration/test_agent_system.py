"""source: system, for machines without Smollama."""

import json


def start(stack, config=None):
    reader = stack.mqtt_client("alpaca/#")
    stack.agent("box", {"alpaca": {"source": "system", **(config or {})}})
    return reader


def test_system_readings_use_smollamas_ids_and_units(stack):
    body = start(stack).wait_for("alpaca/box/readings").json["body"]
    units = {item["full_id"]: item["unit"] for item in body["readings"]}
    known = {"system:cpu_temp": "celsius", "system:cpu_freq": "mhz", "system:mem_percent": "percent",
             "system:mem_available_mb": "mb", "system:load_avg": "load"}
    assert {name: known.get(name) for name in units} == units
    assert {"system:mem_percent", "system:mem_available_mb", "system:load_avg"} <= set(units)
    values = {item["full_id"]: item["value"] for item in body["readings"]}
    assert 0 < values["system:mem_percent"] < 100
    assert isinstance(values["system:mem_available_mb"], int)
    for item in body["readings"]:
        assert set(item) == {"full_id", "value", "unit", "timestamp", "metadata"}


def test_system_values_are_this_machines(stack):
    body = start(stack).wait_for("alpaca/box/readings").json["body"]
    values = {item["full_id"]: item["value"] for item in body["readings"]}
    with open("/proc/meminfo", encoding="ascii") as file:
        info = {line.split(":")[0]: int(line.split()[1]) for line in file}
    assert abs(values["system:mem_available_mb"] - info["MemAvailable"] // 1024) < 0.2 * info["MemTotal"] / 1024


def test_system_stats_name_the_node(stack):
    stats = start(stack).wait_for("alpaca/box/stats").json["body"]
    assert set(stats) == {"node_name", "timestamp", "source_types", "source_count"}
    assert (stats["node_name"], stats["source_types"]) == ("box", ["system"])
    assert stats["source_count"] >= 3


def test_system_has_no_store_and_no_url(stack):
    reader = start(stack)
    beat = reader.wait_for("alpaca/box/health", lambda m: m.json["seq"] >= 3).json
    assert beat["url"] is None
    assert (beat["source"]["kind"], beat["source"]["ok"]) == ("system", True)
    assert [beat["snapshots"][kind]["error"] for kind in ("observations", "memories")] == ["off", "off"]
    assert not reader.messages("alpaca/box/observations") + reader.messages("alpaca/box/memories")


def test_system_readings_keep_coming(stack):
    reports = start(stack).wait_count("alpaca/box/readings", 3)
    assert [m.json["seq"] for m in reports[:3]] == [1, 2, 3]
    json.loads(reports[0].payload)
