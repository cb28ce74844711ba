"""What docs/ says about Prometheus: the list of metrics, the alerts and the Grafana dashboard."""

import json
import re
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.support.fake_agent import FakeAgent
from tests.support.processes import ROOT, free_port
from tests.support.prometheus import WHY_IMPOSSIBLE, promtool

DOCS = ROOT / "docs"
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text())
ALERTS = yaml.safe_load((DOCS / "prometheus-alerts.yml").read_text())
NAME = re.compile(r"\b(?:smollama|llamad|process)_[a-z_]+")
VARIABLES = {"$__rate_interval": "1m", "$node": "pi.*", "$job": "llamad", "$source_type": "system"}
needs_prometheus = pytest.mark.skipif(WHY_IMPOSSIBLE is not None, reason=WHY_IMPOSSIBLE or "")


def families(llamad) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", llamad.http.get("/metrics").body.decode(), re.M))


@pytest.fixture(scope="module")
def told(module_stack):
    """The families of a llamad that has everything: name → type. Its broker may run as another user, whom pytest's own
    folder does not let in."""
    with tempfile.TemporaryDirectory(prefix="llamad-state-") as state_dir:
        Path(state_dir).chmod(0o755)
        port = free_port()
        llamad = module_stack.llamad({"broker": {"run": True, "listen": "127.0.0.1", "port": port},
                                      "cluster": {"state_dir": state_dir}}, broker_port=port)
        llamad.wait_broker()
        FakeAgent(module_stack.mqtt_client(port=port), "pi-a", interval_s=3600).come_alive()
        llamad.wait_node("pi-a", "online")
        yield families(llamad)
        llamad.stop()


def expressions() -> list[tuple[str, str]]:
    """(what it is of, PromQL), variables of Grafana replaced."""
    found = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            found.append((panel["title"], text))
    return found


def unknown_names(text: str, told: dict[str, str]) -> set[str]:
    """Names of metrics in it that llamad does not tell; a histogram's own name is no series."""
    series = {name + suffix for name, kind in told.items()
              for suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))}
    return set(NAME.findall(text)) - series


def test_every_metric_is_in_the_documentation_and_the_other_way_round(told):
    page = (DOCS / "prometheus.md").read_text()
    listed = set()
    for row in re.findall(r"^\| `(?:smollama|llamad|process)_.*$", page, re.M):
        listed |= set(re.findall(r"`((?:smollama|llamad|process)_[a-z_]+)", row.split("| ")[1]))
    assert listed == set(told)


def test_the_dashboard_asks_for_what_there_is(told):
    assert DASHBOARD["title"] and DASHBOARD["uid"] and DASHBOARD["schemaVersion"] >= 36
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for title, text in expressions():
        assert "$" not in text, f"{title}: a variable that is not known: {text}"
        assert not unknown_names(text, told), f"{title}: {unknown_names(text, told)}"
    used = set(re.findall(r"\$(\w+)", json.dumps([p.get("targets", []) for p in DASHBOARD["panels"]])))
    assert used - {"__rate_interval"} <= {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for variable in DASHBOARD["templating"]["list"]:
        assert not unknown_names(variable.get("definition", ""), told)


def test_the_dashboard_has_no_panels_on_each_other():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_alerts_are_on_what_there_is(told):
    for rule in ALERTS["groups"][0]["rules"]:
        assert not unknown_names(rule["expr"], told), rule["alert"]


@needs_prometheus
def test_expressions_are_promql(tmp_path):
    rules = [{"record": f"panel:{n}", "expr": text} for n, (_, text) in enumerate(expressions())]
    assert len(rules) > 20
    (tmp_path / "dashboard.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "dashboard.yml")
    promtool("check", "rules", DOCS / "prometheus-alerts.yml")


@needs_prometheus
def test_the_scrape_configuration_is_one(tmp_path):
    block = re.search(r"```yaml\n(scrape_configs:.*?)```", (DOCS / "prometheus.md").read_text(), re.S)
    (tmp_path / "prometheus.yml").write_text(block[1])
    promtool("check", "config", tmp_path / "prometheus.yml")


def alert(name: str, minutes: int, labels: dict | None, summary: str = "", description: str | None = None) -> dict:
    expected = [] if labels is None else [{"exp_labels": labels, "exp_annotations": {
        "summary": summary, **({"description": description} if description else {})}}]
    return {"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": expected}


@needs_prometheus
def test_alerts_fire_when_they_should(tmp_path):
    series = {
        'smollama_node_state{node="pi-a",state="unreachable"}': "0 0 1x20",
        'smollama_node_cause{node="pi-a",cause="no_answer"}': "_ _ 1x20",
        'smollama_node_state{node="pi-b",state="unreachable"}': "1x20",
        'smollama_node_cause{node="pi-b",cause="stopped"}': "1x20",
        'smollama_node_state{node="pi-c",state="degraded"}': "1x20",
        'smollama_node_cause{node="pi-c",cause="smollama_down"}': "1x20",
        'smollama_node_state{node="pi-d",state="degraded"}': "1x20",
        'smollama_node_cause{node="pi-d",cause="frozen"}': "1x20",
        'llamad_incident{cause="broker_down"}': "0x10 1x10",
    }
    tests = [
        alert("NodeDown", 3, None),
        alert("NodeDown", 5, {"severity": "critical", "node": "pi-a", "state": "unreachable"}, "pi-a is unreachable",
              "Cause: no_answer"),
        alert("NodeDegraded", 6, {"severity": "warning", "node": "pi-c", "state": "degraded"},
              "pi-c lives, but its Smollama does not work as it should"),
        alert("SensorFrozen", 11, {"severity": "warning", "node": "pi-d", "cause": "frozen"},
              "A reading of pi-d stands still"),
        alert("BrokerDown", 9, None),
        alert("BrokerDown", 13, {"severity": "critical", "cause": "broker_down"},
              "llamad has no connection to the MQTT broker"),
    ]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({
        "rule_files": [str(DOCS / "prometheus-alerts.yml")], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "alert_rule_test": tests,
                   "input_series": [{"series": name, "values": values} for name, values in series.items()]}]}))
    promtool("test", "rules", tmp_path / "test.yml")
