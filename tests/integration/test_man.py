"""The manual pages: rendered without a warning, and complete."""

import gzip
import os
import re
import shutil
import subprocess

import pytest

from tests.support.processes import AGENT, BUILD_DIR, LLAMAD, run_to_end

PAGES = ["llamad.8", "alpaca-agent.8", "smollama-cluster.5", "alpaca-agent.5"]
PROGRAMS = pytest.mark.parametrize("program", [LLAMAD, AGENT], ids=["llamad", "alpaca-agent"])
OPTION = re.compile(r"(?<![\w/-])--?[a-z][a-z-]*")
pytestmark = pytest.mark.skipif(not shutil.which("man"), reason="no man (package man-db)")


def render(page, folder):
    path = folder / page
    path.write_bytes(gzip.decompress((BUILD_DIR / "packaging" / "man" / f"{page}.gz").read_bytes()))
    return subprocess.run(["man", "--warnings=all", "-E", "UTF-8", "-P", "cat", "-l", path], capture_output=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "200"}, text=True, check=True)


def help_of(program, folder, *command):
    done = run_to_end([program, *command, "--help"], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands_of(help_text, name):
    """The words that may stand behind the program's name."""
    found = re.findall(rf"^(?:Usage:)? +{name} ([a-z][a-z|-]*)", help_text, re.M)
    return {word for words in found for word in words.split("|")}


@pytest.mark.parametrize("page", PAGES)
def test_page_renders_without_warnings(tmp_path, page):
    done = render(page, tmp_path)
    assert done.stderr == ""
    name, section = page.split(".")
    assert done.stdout.startswith(f"{name.upper()}({section})")
    assert "@" not in re.sub(r"\S+@\S+", "", done.stdout), "a mark of the template was left"


@PROGRAMS
def test_every_option_and_command_is_described(tmp_path, program):
    page = render(f"{program.name}.8", tmp_path).stdout
    described = set(OPTION.findall(page))
    text = help_of(program, tmp_path)
    wanted = set(OPTION.findall(text))
    commands = commands_of(text, program.name)
    assert program is not LLAMAD or "ha-lint" in commands
    assert {"-c", "--config", "--check", "-v", "--verbose", "--version", "-h", "--help"} <= wanted
    for command in commands:
        assert re.search(rf"^ +{program.name} (?:[a-z-]+ \| )*{command}\b", page, re.M), f"{command} is missing from the synopsis"
        assert re.search(rf"^     (?:[a-z-]+, )*{command}\b", page, re.M), f"{command} is not described"
        wanted |= {option for option in OPTION.findall(help_of(program, tmp_path, command)) if len(option) > 2}
    assert wanted <= described, f"not in the page: {sorted(wanted - described)}"


def test_no_option_is_described_that_there_is_not(tmp_path):
    for program in (LLAMAD, AGENT):
        text = help_of(program, tmp_path)
        text += "".join(help_of(program, tmp_path, command) for command in commands_of(text, program.name))
        synopsis = render(f"{program.name}.8", tmp_path).stdout.split("EXAMPLES")[0]
        assert set(OPTION.findall(synopsis)) <= set(OPTION.findall(text))


def test_every_key_is_described_with_its_default(tmp_path):
    (tmp_path / "config.yaml").write_text("{}\n")
    keys = dict(re.findall(r"^(\S+) = (.*)  # default$", run_to_end(
        [LLAMAD, "--check", "-c", tmp_path / "config.yaml"], tmp_path).stdout, re.M))
    assert len(keys) > 40
    page = render("smollama-cluster.5", tmp_path).stdout
    agents = render("alpaca-agent.5", tmp_path).stdout
    for key, value in keys.items():
        described = re.search(rf"^     {re.escape(key)}\n((?:             .*\n)+)", page, re.M)
        assert described, f"{key} is missing"
        plain = value.strip('"')
        if re.fullmatch(r"[a-z0-9./_:]+", plain) and not plain.endswith("s"):
            assert f"default {plain}." in described[1], (key, value, described[1])
        assert (f"\n     {key}\n" in agents) == (key.split(".")[0] in ("node", "mqtt", "mem0", "logging", "alpaca")), key
