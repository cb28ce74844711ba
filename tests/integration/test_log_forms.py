"""The log's forms, and its debug topics, of the running programs."""

import json
import os
import signal

import pytest

from tests.support.processes import AGENT, LLAMAD, deep_merge, run_to_end, write_yaml
from tests.support.waiting import wait_until


@pytest.mark.parametrize("program, known", [(AGENT, "mqtt, http"), (LLAMAD, "mqtt, http, live, poll, mdns, broker")],
                         ids=["agent", "llamad"])
def test_unknown_debug_topic_is_an_error_that_lists_the_known_ones(tmp_path, program, known):
    done = run_to_end([program, "-D", "mqtt,nonsense"], tmp_path)
    assert done.returncode == 64 and f'no debug topic "nonsense"; there are {known}, and all' in done.stderr


def test_json_log_is_one_object_a_line(stack):
    llamad = stack.llamad({"mqtt": {"username": "u", "password": "s3cret"}}, start=False)
    llamad.argv += ["--log-format", "json", "-D", "all"]
    llamad.start()
    llamad.wait_broker()
    stack.live(llamad).snapshot()
    node = stack.node()
    agent = stack.agent(node, {"mqtt": {"username": "u", "password": "s3cret"}, "logging": {"debug": ["all"]}})
    llamad.wait_node("kitchen", "online")
    llamad.wait_log("out llama/kitchen/state: ")
    llamad.stop()
    lines = [json.loads(line) for line in llamad.log.splitlines()]
    assert all(set(line) - {"topic"} == {"time", "level", "message"} for line in lines)
    assert {"mqtt", "http", "live"} <= {line.get("topic") for line in lines}
    assert all((line["level"] == "debug") == ("topic" in line) for line in lines)
    said = [line["message"] for line in lines if line.get("topic") == "mqtt"]
    assert any(text.startswith("in alpaca/kitchen/readings: ") for text in said)
    assert any(text.startswith("out llama/kitchen/state: ") for text in said)
    assert any(" GET /api/health: 200, " in line["message"] for line in lines if line.get("topic") == "http")
    assert "debug http: readings: complete, status 200" in agent.log
    assert "s3cret" not in llamad.log + agent.log


def test_journal_gets_priorities_instead_of_times(stack):
    agent = stack.agent(stack.node(), start=False)
    with open(agent.log_path, "ab"):
        pass
    stat = os.stat(agent.log_path)
    agent.env = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
    agent.start()
    agent.wait_log("connected to")
    assert all(line.startswith(("<3>", "<4>", "<6>")) for line in agent.log.splitlines())
    assert "<6>mqtt: connected to" in agent.log


@pytest.mark.parametrize("kind", ["llamad", "agent"])
def test_debug_topics_are_changed_by_a_reload(stack, kind):
    process = stack.llamad() if kind == "llamad" else stack.agent(stack.node())
    process.wait_log("connected to")
    assert " debug " not in process.log

    def set_log(**logging):
        process.config = deep_merge(process.config, {"logging": logging})
        write_yaml(process.config_path, process.config)
        process.send_signal(signal.SIGHUP)

    set_log(debug=["http"])
    if kind == "llamad":
        wait_until(lambda: process.health() and " debug http: " in process.log, 3, "requests are logged")
    else:
        process.wait_log(" debug http: readings: complete")
    set_log(debug=[], format="json")
    process.wait_log('{"time":')
