"""`llamad status`, `alpaca-agent status`, and `alpaca-agent --once --print`."""

import json
import socket
import threading

import pytest

from tests.support.processes import AGENT, LLAMAD, free_port, run_to_end, write_yaml
from tests.support.waiting import wait_until


def llamad_status(llamad, *options):
    return run_to_end([LLAMAD, "status", "-c", llamad.config_path, *options], llamad.folder, 8)


def agent_status(agent, *options):
    return run_to_end([AGENT, "status", "-c", agent.config_path, *options], agent.folder, 8,
                      env={"ALPACA_RUNTIME_DIR": str(agent.runtime_dir)})


def test_llamad_tells_how_it_is(stack):
    node = stack.node()
    llamad = stack.llamad()
    stack.agent(node)
    llamad.wait_node("kitchen", "online")
    done = llamad_status(llamad)
    assert done.returncode == 0, done.stdout
    assert f"at {llamad.url}/: ok, up" in done.stdout and "nodes     1: 1 online" in done.stdout
    told = json.loads(llamad_status(llamad, "--json").stdout)
    assert (told["running"], told["ok"], told["not_online"]) == (True, True, [])
    assert told["health"]["broker"]["state"] == "connected"
    node.stop()
    llamad.wait_node("kitchen", "degraded")
    done = llamad_status(llamad)
    assert done.returncode == 1 and "  kitchen: degraded (smollama_down): " in done.stdout
    assert [n["name"] for n in json.loads(llamad_status(llamad, "--json").stdout)["not_online"]] == ["kitchen"]


def test_llamad_that_is_gone_or_hangs_is_told_from_one_that_is_well(stack):
    llamad = stack.llamad()
    llamad.pause()
    done = llamad_status(llamad)
    llamad.resume()
    assert done.returncode == 4 and "does not answer in time" in done.stdout
    llamad.kill()
    done = llamad_status(llamad)
    assert done.returncode == 3 and "does not run" in done.stdout
    assert json.loads(llamad_status(llamad, "--json").stdout)["running"] is False


@pytest.mark.parametrize("status, told", [("200 OK", "is another program"), ("401 Unauthorized", "wants another token"),
                                          ("429 Too Many Requests", "lets nobody try tokens for a while")])
def test_who_does_not_answer_as_llamad_would_is_told_apart(tmp_path, status, told):
    server = socket.create_server(("127.0.0.1", 0))

    def answer():
        with server.accept()[0] as client:
            client.recv(4096)
            client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    threading.Thread(target=answer, daemon=True).start()
    path = write_yaml(tmp_path / "l.yaml", {"http": {"port": server.getsockname()[1]}})
    done = run_to_end([LLAMAD, "status", "-c", path], tmp_path)
    server.close()
    assert done.returncode == 4 and told in done.stdout


def test_token_is_sent_and_never_shown(tmp_path):
    server = socket.create_server(("127.0.0.1", 0))
    asked = []

    def answer():
        with server.accept()[0] as client:
            asked.append(client.recv(4096).decode())
            client.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}')
    threading.Thread(target=answer, daemon=True).start()
    path = write_yaml(tmp_path / "l.yaml", {"http": {"port": server.getsockname()[1]}})
    (tmp_path / "token").write_text("s3cret\n")
    done = run_to_end([LLAMAD, "status", "-c", path, "--token-file", tmp_path / "token"], tmp_path)
    server.close()
    assert "\r\nAuthorization: Bearer s3cret\r\n" in asked[0]
    assert done.returncode == 0 and "ok; more is told for a token" in done.stdout  # the word alone was told
    assert "s3cret" not in done.stdout + done.stderr


def test_agent_tells_how_it_is(stack):
    node = stack.node()
    agent = stack.agent(node)
    wait_until(lambda: agent_status(agent).returncode == 0, 5, "all is well")
    done = agent_status(agent)
    assert "node kitchen" in done.stdout and f"connected to 127.0.0.1:{stack.broker_port}, for" in done.stdout
    told = json.loads(agent_status(agent, "--json").stdout)
    assert told["running"] and told["ok"] and told["status"]["pid"] == agent.pid
    assert told["status"]["snapshots"]["readings"]["error"] is None
    node.stop()
    wait_until(lambda: agent_status(agent).returncode == 1, 5, "Smollama is missed")
    wait_until(lambda: "source       smollama: NOT USABLE: refused" in agent_status(agent).stdout, 5,
               "after a second failure in a row it is named")


def test_an_outage_is_as_long_as_it_is_however_often_the_agent_tries(stack):
    broker = stack.broker()
    agent = stack.agent(stack.node())
    wait_until(lambda: agent_status(agent).returncode == 0, 5, "all is well")
    broker.kill()
    told = lambda: json.loads(agent_status(agent, "--json").stdout)["status"]["broker"]  # noqa: E731
    wait_until(lambda: not told()["connected"], 5, "it is lost")
    seen = wait_until(lambda: (b := told())["failed_attempts"] >= 3 and b, 10, "it tries")
    assert seen["since_s"] >= 1 and seen["error"] == "connection refused", seen
    done = agent_status(agent)
    assert f"NOT CONNECTED to 127.0.0.1:{stack.broker_port}: connection refused, for " in done.stdout


def test_agent_that_died_or_hangs_never_looks_well(stack):
    agent = stack.agent(stack.node())
    wait_until(lambda: agent_status(agent).returncode == 0, 5, "all is well")
    agent.pause()
    done = agent_status(agent)
    agent.resume()
    assert done.returncode == 4 and "runs, but does not answer" in done.stdout
    agent.kill()
    assert list(agent.runtime_dir.iterdir()), "the killed one left its socket behind"
    done = agent_status(agent)
    assert done.returncode == 3 and done.stdout == "alpaca-agent of node kitchen: does not run\n"
    agent.start()
    wait_until(lambda: agent_status(agent).returncode == 0, 5, "the next one takes its place")
    agent.stop()
    assert not list(agent.runtime_dir.iterdir()) and agent_status(agent).returncode == 3


@pytest.mark.parametrize("name", ["pi küche", "x" * 64, "ü" * 32])
def test_any_node_name_and_folder_will_do(stack, tmp_path, name):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    agent = stack.agent(None, {"alpaca": {"source": "system"}}, node_name=name, name="named",
                        env={"ALPACA_RUNTIME_DIR": str(deep)}, start=False)
    agent.config["node"] = {"name": name}
    write_yaml(agent.config_path, agent.config)
    agent.runtime_dir = deep
    agent.start()
    wait_until(lambda: agent_status(agent).returncode == 0, 5, "all is well")


def test_second_agent_of_a_name_leaves_the_first_ones_socket(stack):
    first = stack.agent(stack.node())
    wait_until(lambda: agent_status(first).returncode == 0, 5, "all is well")
    second = stack.agent(stack.node(), name="second")
    second.wait_log("another agent of this name runs on this machine")
    assert json.loads(agent_status(first, "--json").stdout)["status"]["pid"] == first.pid
    second.stop()
    assert json.loads(agent_status(first, "--json").stdout)["status"]["pid"] == first.pid


def test_idle_connections_do_not_hold_the_agent_up(stack):
    agent = stack.agent(stack.node())
    wait_until(lambda: agent_status(agent).returncode == 0, 5, "all is well")
    path = str(next(agent.runtime_dir.iterdir()))
    idle = [socket.socket(socket.AF_UNIX) for _ in range(50)]
    for client in idle:
        client.connect(path)
    assert agent_status(agent).returncode == 0
    for client in idle:
        client.close()


def test_once_prints_what_would_be_sent_without_a_broker(stack, tmp_path):
    node = stack.node()
    path = write_yaml(tmp_path / "once.yaml", {
        "node": {"name": "pi-a"}, "mqtt": {"port": free_port()},
        "alpaca": {"url": node.url, "announce_url": "http://10.0.0.9:8080", "labels": {"room": "kitchen"}}})
    done = run_to_end([AGENT, "--once", "--print", "-c", path], tmp_path, 8)
    assert done.returncode == 0, done.stderr
    messages = {line.split(" ", 1)[0]: json.loads(line.split(" ", 1)[1]) for line in done.stdout.split("\n")[:-1]}
    assert list(messages) == [f"alpaca/pi-a/{kind}" for kind in (
        "status", "readings", "observations", "memories", "stats", "health")]
    assert messages["alpaca/pi-a/readings"]["body"]["readings"] and messages["alpaca/pi-a/readings"]["seq"] == 1
    assert messages["alpaca/pi-a/health"]["labels"] == {"room": "kitchen"}
    assert messages["alpaca/pi-a/health"]["url"] == "http://10.0.0.9:8080"
    asked = {kind: node.count(kind) for kind in ("readings", "observations", "memories", "stats")}
    assert asked["observations"] == asked["memories"] == asked["stats"] == 1


def test_once_says_what_could_not_be_fetched(stack, tmp_path):
    path = write_yaml(tmp_path / "once.yaml", {"node": {"name": "pi-a"},
                                               "alpaca": {"url": f"http://127.0.0.1:{free_port()}"}})
    done = run_to_end([AGENT, "--once", "--print", "-c", path], tmp_path, 8)
    assert done.returncode == 1 and "readings: refused" in done.stderr
    assert len(done.stdout.splitlines()) == 2  # status and health
    assert run_to_end([AGENT, "--once", "-c", path], tmp_path).returncode == 64
