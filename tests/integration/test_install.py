"""`cmake --install` makes a tree that works wherever it was put."""

import os
import subprocess

import pytest

from tests.support.processes import BUILD_DIR, ROOT, free_port


@pytest.fixture
def prefix(tmp_path):
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", BUILD_DIR, "--prefix", prefix], check=True, capture_output=True)
    moved = tmp_path / "moved"  # as a package would be unpacked
    prefix.rename(moved)
    return moved


def test_everything_is_there(prefix):
    files = {os.fspath(p.relative_to(prefix)) for p in prefix.rglob("*") if p.is_file()}
    wanted = {"bin/llamad", "bin/alpaca-agent"}
    wanted |= {f"share/smollama-cluster/broker-config/{name}" for name in ("mosquitto.conf", "acl", "bridge.conf")}
    wanted |= {f"share/doc/smollama-cluster/{name}" for name in ("LICENSE", "README.md", "docs/quick-start.md")}
    wanted |= {f"share/smollama-cluster/web/{p.name}" for p in (ROOT / "web" / "dist").glob("*") if p.is_file()}
    assert wanted <= files


def test_llamad_finds_its_files_beside_itself(stack, prefix):
    shared = prefix / "share" / "smollama-cluster"
    web = shared / "web"
    if web.is_symlink():
        web.unlink()  # a linked web/dist is installed as a link: nothing may be written through it
    web.mkdir(exist_ok=True)
    (web / "index.html").unlink(missing_ok=True)
    (web / "index.html").write_text("<!DOCTYPE html><title>installed</title>")
    with (shared / "broker-config" / "mosquitto.conf").open("a") as conf:
        conf.write("\n# installed\n")
    llamad = stack.llamad({"broker": {"run": True, "port": free_port()}}, start=False,
                          env={"LLAMAD_WEB_DIR": "", "LLAMAD_BROKER_CONFIG_DIR": ""})
    llamad.argv[0] = prefix / "bin" / "llamad"
    llamad.start()
    assert b"installed" in llamad.http.get("/").body
    assert "# installed" in (llamad.state_dir / "broker" / "mosquitto.conf").read_text()
