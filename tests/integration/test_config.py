"""The configuration file and the command line."""

import pytest

from tests.support.processes import AGENT, LLAMAD, run_to_end

BOTH = pytest.mark.parametrize("program", [AGENT, LLAMAD], ids=["agent", "llamad"])

SMOLLAMA_OWN = """\
# Smollama's own file, as its source reads it.
node:
  name: pi-kitchen
ollama:
  host: http://localhost
  port: 11434
  model: llama3.2:1b
mqtt:
  broker: localhost
  port: 1883
  username: ""
  password: ""
  topics:
    subscribe:
      - smollama/devices/#
    publish_prefix: smollama
gpio:
  mock: true
  pins:
    - {pin: 17, name: motion_sensor, mode: input}
agent:
  system_prompt: |
    You are a helpful agent.
  max_tool_iterations: 10
memory:
  db_path: ~/.smollama/memory.db
  sample_interval_minutes: 1
sync:
  enabled: false
  crdt_db_path: ~/.smollama/sync.db
mem0:
  enabled: false
  bridge_enabled: true
discovery:
  enabled: true
  service_type: _smollama._tcp
plugins:
  paths: []
  custom: []
"""

SEED_BLOCK = """\
cluster:
  enabled: true
  aggregation_interval: 60
  request_timeout: 5
  discovery_method: mdns
  manual_nodes:
    - name: pi-kitchen
      url: "http://192.168.1.10:8080"
"""


def check(program, folder, text, env=None, name="config.yaml"):
    path = folder / name
    path.write_text(text)
    return run_to_end([program, "--check", "-c", path], folder, env=env)


@BOTH
def test_smollamas_own_file_is_accepted_without_a_word(tmp_path, program):
    done = check(program, tmp_path, SMOLLAMA_OWN)
    assert done.returncode == 0, done.stderr
    assert "unknown" not in done.stderr.lower() and "warn" not in done.stderr.lower()
    assert "pi-kitchen" in done.stdout


@BOTH
def test_seeds_block_is_accepted_as_it_stands(tmp_path, program):
    done = check(program, tmp_path, SEED_BLOCK)
    assert done.returncode == 0 and "warn" not in done.stderr.lower(), done.stderr


@BOTH
@pytest.mark.parametrize("text, line, near", [
    ("cluster:\n  agregation_interval: 5\n", 2, "aggregation_interval"),
    ("http:\n  listen: 127.0.0.1\n  prot: 80\n", 3, "port"),
    ("alpaca: {heartbeat_intervall: 5}\n", 1, "heartbeat_interval"),
    ("broker:\n\n  runn: true\n", 3, "run"),
    ("home_assistant: {prefx: x}\n", 1, "prefix"),
    ("alpca:\n  url: http://localhost:8080\n", 1, "alpaca"),
    ("clusters:\n  enabled: true\n", 1, "cluster"),
])
def test_typo_in_our_sections_is_an_error_with_place_and_suggestion(tmp_path, program, text, line, near):
    done = check(program, tmp_path, text)
    assert done.returncode == 78
    assert f"config.yaml:{line}" in done.stderr and near in done.stderr


@BOTH
@pytest.mark.parametrize("text, line, near", [
    ("mqtt:\n  brokr: x\n", 2, "broker"), ("node: {nam: x}\n", 1, "name"), ("weather:\n  city: x\n", 1, "weather")])
def test_unknown_key_elsewhere_is_a_warning(tmp_path, program, text, line, near):
    done = check(program, tmp_path, text)
    assert done.returncode == 0, done.stderr
    assert f"config.yaml:{line}" in done.stderr and near in done.stderr


@BOTH
@pytest.mark.parametrize("text, line", [
    ("mqtt:\n  port: abc\n", 2), ("mqtt: {port: 70000}\n", 1), ("mqtt: {port: 0}\n", 1), ("mqtt: [1]\n", 1),
    ("mqtt:\n  base_topic: smollama\n", 2), ("mqtt: {base_topic: llama}\n", 1),
    ("mqtt: {base_topic: homeassistant}\n", 1), ("mqtt: {base_topic: a b}\n", 1), ("mqtt: {base_topic: a/b}\n", 1),
    ("alpaca:\n  heartbeat_interval: soon\n", 2), ("alpaca: {heartbeat_interval: -1}\n", 1),
    ("alpaca: {source: other}\n", 1), ("alpaca: {type: camel}\n", 1), ("alpaca: {url: 'ftp://x'}\n", 1),
    ("alpaca: {retain_for: long}\n", 1),
    ("cluster: {request_timeout: x}\n", 1), ("cluster: {discovery_method: magic}\n", 1),
    ("http: {port: http}\n", 1), ("node: [\n", 1),
])
def test_wrong_values_are_errors_with_their_place(tmp_path, program, text, line):
    done = check(program, tmp_path, text)
    assert done.returncode == 78, (done.stdout, done.stderr)
    assert f"config.yaml:{line}" in done.stderr or f"config.yaml:{line + 1}" in done.stderr


@pytest.mark.parametrize("name", ["a/b", "+", "'#'", "' lead'", "$x", "..", '"a\\tb"', "x" * 65])
def test_impossible_node_names_are_errors(tmp_path, name):
    done = check(AGENT, tmp_path, f"node:\n  name: {name}\n")
    assert done.returncode == 78 and "config.yaml:2" in done.stderr


@pytest.mark.parametrize("text", [
    "cluster:\n  manual_nodes:\n    - {name: a/b, url: 'http://x'}\n",
    "cluster:\n  manual_nodes:\n    - {name: a, url: 'gopher://x'}\n",
    "cluster:\n  manual_nodes:\n    - {name: a}\n",
    "cluster:\n  manual_nodes:\n    - {name: a, url: 'http://x', ulr: y}\n",
    "cluster:\n  poll_allow:\n    - 300.0.0.0/8\n",
    "cluster:\n  poll_allow:\n    - 10.0.0.0/40\n",
])
def test_wrong_lists_are_errors_with_their_place(tmp_path, text):
    done = check(LLAMAD, tmp_path, text)
    assert done.returncode == 78, done.stderr
    assert "config.yaml:3" in done.stderr or "config.yaml:2" in done.stderr


@BOTH
def test_every_problem_is_named_at_once(tmp_path, program):
    done = check(program, tmp_path, "cluster: {x: 1}\nhttp: {y: 1}\nalpaca: {z: 1}\n")
    assert done.returncode == 78
    assert all(f"config.yaml:{line}" in done.stderr for line in (1, 2, 3))


@BOTH
def test_missing_file_is_said(tmp_path, program):
    done = run_to_end([program, "--check", "-c", tmp_path / "nowhere.yaml"], tmp_path)
    assert done.returncode == 78 and "nowhere.yaml" in done.stderr


@BOTH
def test_check_says_where_each_value_comes_from(tmp_path, program):
    (tmp_path / "config.local.yaml").write_text("mqtt:\n  username: overlay\n")
    done = check(program, tmp_path, "mqtt:\n  broker: filehost\n  password: s3cret\n",
                 env={"SMOLLAMA_MQTT_PORT": "18830"})
    assert done.returncode == 0, done.stderr
    lines = {line.split("=")[0].strip(): line for line in done.stdout.splitlines() if "=" in line}
    assert "filehost" in lines["mqtt.broker"] and "config.yaml:2" in lines["mqtt.broker"]
    assert "overlay" in lines["mqtt.username"] and "config.local.yaml:2" in lines["mqtt.username"]
    assert "18830" in lines["mqtt.port"] and "SMOLLAMA_MQTT_PORT" in lines["mqtt.port"]
    assert "default" in lines["mqtt.base_topic"]
    assert "s3cret" not in done.stdout + done.stderr


@BOTH
def test_overlay_merges_maps_and_replaces_lists(tmp_path, program):
    (tmp_path / "config.local.yaml").write_text("cluster:\n  poll_allow: [10.0.0.0/8]\n")
    done = check(program, tmp_path, "cluster:\n  request_timeout: 7\n  poll_allow: [192.168.0.0/16, 172.16.0.0/12]\n")
    assert done.returncode == 0, done.stderr
    if program == LLAMAD:
        assert "10.0.0.0/8" in done.stdout and "192.168.0.0/16" not in done.stdout
        assert any("request_timeout" in line and "7" in line for line in done.stdout.splitlines())


@BOTH
def test_file_in_the_working_directory_is_found(tmp_path, program):
    (tmp_path / "config.yml").write_text("node: {name: found-me}\n")
    done = run_to_end([program, "--check"], tmp_path, env={"HOME": str(tmp_path)})
    assert done.returncode == 0 and "found-me" in done.stdout, done.stderr


@BOTH
def test_version_and_help(tmp_path, program):
    version = run_to_end([program, "--version"], tmp_path)
    assert version.returncode == 0 and "0.1.0" in version.stdout
    usage = run_to_end([program, "--help"], tmp_path)
    assert usage.returncode == 0 and all(word in usage.stdout for word in ("-c", "--check", "--version", "--help"))


@BOTH
@pytest.mark.parametrize("args, named", [
    (["--nonsense"], "unknown option --nonsense;"), (["-c"], "missing behind -c;"), (["extra"], "unexpected argument extra;"),
    (["--check", "-xv"], "unknown option -x;"), (["--verbose=1"], "unknown option --verbose=1;"),
    (["status", "-xc", "f"], "unknown option -x;"), (["status", "--config"], "missing behind --config;"),
    (["enrol", "-x"], "unknown option -x;"),
])
def test_wrong_usage_is_64_and_named(tmp_path, program, args, named):
    done = run_to_end([program, *args], tmp_path)
    assert done.returncode == 64 and named in done.stderr, done.stderr


@BOTH
def test_starting_with_errors_is_78_too(tmp_path, program):
    (tmp_path / "bad.yaml").write_text("cluster: {x: 1}\n")
    done = run_to_end([program, "-c", tmp_path / "bad.yaml"], tmp_path)
    assert done.returncode == 78 and "bad.yaml:1" in done.stderr


def test_disabled_cluster_is_said_and_78(tmp_path):
    (tmp_path / "off.yaml").write_text("cluster: {enabled: false}\n")
    done = run_to_end([LLAMAD, "-c", tmp_path / "off.yaml"], tmp_path)
    assert done.returncode == 78 and "cluster.enabled" in done.stderr


@pytest.mark.parametrize("listen", ["0.0.0.0", "'::'", "192.168.1.2"])
def test_listening_beyond_loopback_is_a_decision(tmp_path, listen):
    done = check(LLAMAD, tmp_path, f"http:\n  listen: {listen}\n")
    assert done.returncode == 78 and "allow_anonymous" in done.stderr
    assert check(LLAMAD, tmp_path, f"http:\n  listen: {listen}\n  allow_anonymous: true\n").returncode == 0


def test_listening_beyond_loopback_is_fine_with_logins(tmp_path):
    (tmp_path / "tokens").write_text("")
    done = check(LLAMAD, tmp_path, f"http:\n  listen: 0.0.0.0\n  tokens_file: {tmp_path}/tokens\n")
    assert done.returncode == 0 and "nobody is in" in done.stderr, done.stderr
    done = check(LLAMAD, tmp_path, f"http:\n  listen: 0.0.0.0\n  users_file: {tmp_path}/users\n  tokens_file: {tmp_path}/tokens\n")
    assert done.returncode == 78 and f"{tmp_path}/users: No such file" in done.stderr and "llamad passwd" in done.stderr
    (tmp_path / "users").write_text("# nobody\nanna:secret\n")
    done = check(LLAMAD, tmp_path, f"http: {{users_file: {tmp_path}/users}}\n")
    assert done.returncode == 78 and f"{tmp_path}/users:2: " in done.stderr and "secret" not in done.stderr


@pytest.mark.parametrize("listen", ["127.0.0.1", "'::1'", "127.0.0.9"])
def test_loopback_needs_no_decision(tmp_path, listen):
    assert check(LLAMAD, tmp_path, f"http:\n  listen: {listen}\n").returncode == 0


def test_taken_port_is_said(stack):
    first = stack.llamad()
    second = stack.llamad({"http": {"port": first.port}}, start=False, name="second")
    second.expected_exit = 1
    second.start(wait=False)
    assert second.wait_exit(5) == 1
    assert str(first.port) in second.log and "in use" in second.log.lower()
    assert first.http.get("/api/health").status == 200
