"""The packages for other machines: their programs run, under qemu's emulation of the processor."""

import json
import shutil
import subprocess

import pytest

from tests.support import packages
from tests.support.processes import ROOT, SANITIZER, run_to_end
from tests.support.waiting import wait_until

EMULATORS = {"arm64": "qemu-aarch64-static", "armhf": "qemu-arm-static"}
pytestmark = pytest.mark.skipif(bool(SANITIZER), reason="the packages are the same")


@pytest.fixture(params=[arch for arch in EMULATORS if arch != packages.own_architecture()])
def emulated(request, tmp_path):
    """The command to put before a program, and the folder that holds what the packages brought."""
    arch = request.param
    if not shutil.which(EMULATORS[arch]):
        pytest.skip("no emulator (scripts/bootstrap cross)")
    if packages.why_missing(arch):
        pytest.skip(packages.why_missing(arch))
    for name in packages.NAMES:
        subprocess.run(["dpkg-deb", "-x", packages.find(name, arch), tmp_path / arch], check=True)
    return [shutil.which(EMULATORS[arch]), "-L", str(ROOT / "build" / f"sysroot-{arch}")], tmp_path / arch


def test_programs_start(emulated, tmp_path):
    wrapper, tree = emulated
    for name in packages.NAMES:
        program = tree / "usr" / "bin" / name
        done = run_to_end([*wrapper, program, "--version"], tmp_path, timeout=20)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"{name} ")
        done = run_to_end([*wrapper, program, "--check", "-c", tree / "etc" / name / "config.yaml"], tmp_path, timeout=20)
        assert (done.returncode, done.stderr) == (0, "") and "mqtt.port = 1883  # default" in done.stdout


def test_agent_brings_a_nodes_values_to_llamad(emulated, stack):
    """The other machine's agent, beside a broker, a llamad and a node of this one."""
    wrapper, tree = emulated
    node = stack.node("kitchen")
    llamad = stack.llamad()
    agent = stack.agent(node, wrapper=wrapper, start=False)
    agent.argv[len(wrapper)] = tree / "usr" / "bin" / "alpaca-agent"
    agent.start()
    llamad.wait_node(node.name, "online", timeout=20)
    sent = {reading["full_id"]: reading["value"] for reading in json.loads(node.body("readings"))["readings"]}
    wait_until(lambda: {r["full_id"]: r["value"] for r in llamad.readings(node=node.name)} == sent, 10, "all readings came")


def test_llamad_serves(emulated, stack):
    wrapper, tree = emulated
    llamad = stack.llamad(wrapper=wrapper, start=False)
    llamad.argv[len(wrapper)] = tree / "usr" / "bin" / "llamad"
    llamad.start(wait=False)
    llamad.wait_ready(20)
    llamad.wait_broker()
    stack.fake_agent("pi-a").come_alive({"system:cpu_temp": 45.5})
    llamad.wait_node("pi-a", "online", timeout=20)
    assert llamad.reading("pi-a", "system:cpu_temp")["value"] == 45.5
