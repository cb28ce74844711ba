"""The Debian packages: what is in them, and that they install, upgrade and leave."""

import gzip
import re
import subprocess

import pytest

from tests.support import machine, packages
from tests.support.processes import ROOT, SANITIZER

KB = 1000
SIZES = {"llamad": 400 * KB, "alpaca-agent": 100 * KB}
BOTH = pytest.mark.parametrize("name", packages.NAMES)
ALL = [(name, arch) for name in packages.NAMES for arch in ("amd64", "arm64", "armhf")]
pytestmark = [pytest.mark.skipif(packages.why_missing() is not None, reason=packages.why_missing() or ""),
              pytest.mark.skipif(bool(SANITIZER), reason="the packages are the same")]


@pytest.fixture(params=ALL, ids=lambda pair: "-".join(pair))
def package(request):
    name, arch = request.param
    path = packages.find(name, arch)
    if not path:
        pytest.skip(f"not made (scripts/package {arch})")
    return packages.Package(path)


# --- content ---

def test_is_small(package):
    assert package.path.stat().st_size <= SIZES[package.fields["Package"]]


def test_has_what_it_needs_and_nothing_else(package):
    name = package.fields["Package"]
    files = {path for path, member in package.members().items() if not member.isdir()}
    wanted = {f"/usr/bin/{name}", f"/etc/{name}/config.yaml", f"/usr/lib/systemd/system/{name}.service",
              f"/usr/lib/sysusers.d/{name}.conf", f"/usr/share/man/man8/{name}.8.gz"}
    wanted |= {f"/usr/share/doc/{name}/{file}" for file in ("copyright", "changelog.gz", "changelog.Debian.gz")}
    allowed = (f"/usr/share/doc/{name}/",)
    if name == "llamad":
        wanted |= {"/usr/share/man/man5/smollama-cluster.5.gz", "/usr/share/doc/llamad/quick-start.md"}
        wanted |= {f"/usr/share/smollama-cluster/web/{file}" for file in ("index.html", "app.js", "style.css")}
        wanted |= {f"/usr/share/smollama-cluster/broker-config/{file}" for file in ("mosquitto.conf", "acl")}
        allowed += ("/usr/share/smollama-cluster/",)
    else:
        wanted.add("/usr/share/man/man5/alpaca-agent.5.gz")
    assert wanted <= files
    assert not [path for path in files - wanted if not path.startswith(allowed)]


def test_tells_nothing_of_where_it_was_built(package):
    assert str(ROOT).encode() not in package.file(f"/usr/bin/{package.fields['Package']}")


def test_depends_on_what_is_linked_and_loaded(package):
    depends = package.fields["Depends"]
    for library in ("libc6 (>= ", "libmosquitto1", "libuv1", "libwebsockets17", "libyaml-0-2", "libwebsockets-evlib-uv"):
        assert library in depends
    assert not re.search(r"node|npm|nginx|apache|python|libmicrohttpd|mosquitto\b(?!1)", depends)
    if package.fields["Package"] == "alpaca-agent":
        assert not re.search("curl|avahi", depends)
    else:
        assert package.fields["Recommends"] == "mosquitto"


def test_fields_are_as_debian_wants_them(package):
    fields = package.fields
    assert re.fullmatch(r"\d+\.\d+\.\d+-\d+", fields["Version"])
    assert re.fullmatch(r"[^<>]+ <[^<>@]+@[^<>@]+>", fields["Maintainer"])
    assert fields["Section"] == "net" and fields["Priority"] == "optional"
    synopsis, *rest = package.description.splitlines()
    assert len(synopsis) < 80 and not re.match(r"(?i)an? |the ", synopsis) and not synopsis.endswith(".")
    assert len(rest) > 2 and all(re.fullmatch(r" \S.*", line) and len(line) <= 81 for line in rest)


def test_files_have_the_right_owner_and_mode(package):
    for path, member in package.members().items():
        assert (member.uid, member.gid) == (0, 0), path
        program = path.startswith("/usr/bin/")
        assert member.mode == (0o755 if member.isdir() or program else 0o644), f"{path}: {member.mode:o}"
        assert member.isdir() or member.isreg(), path
    modes = {member.name: member.mode for member in package.control if member.isreg()}
    assert {name for name, mode in modes.items() if mode == 0o755} == {"./postinst", "./prerm", "./postrm"}


def test_program_is_stripped_and_hardened(package, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(package.file(f"/usr/bin/{package.fields['Package']}"))

    def readelf(*options):
        return subprocess.run(["readelf", "-W", *options, program], capture_output=True, text=True, check=True).stdout
    assert ".symtab" not in readelf("-S") and ".debug_info" not in readelf("-S")
    assert "DYN (Position-Independent Executable file)" in readelf("-h")
    assert "GNU_RELRO" in readelf("-l") and re.search(r"BIND_NOW|FLAGS_1.*NOW", readelf("-d"))
    assert not re.search(r"GNU_STACK.*E ", readelf("-l")) and "RUNPATH" not in readelf("-d")
    assert "__stack_chk_fail" in readelf("--dyn-syms") and "_chk@" in readelf("--dyn-syms")


def test_documents_are_compressed_and_complete(package):
    name = package.fields["Package"]
    for path, member in package.members().items():
        if path.endswith(".gz"):
            data = package.file(path)
            assert data[3] & 8 == 0 and data[4:8] == bytes(4), f"{path}: name or time in the header"
            gzip.decompress(data)
    changelog = gzip.decompress(package.file(f"/usr/share/doc/{name}/changelog.Debian.gz")).decode()
    head, _, _ = changelog.partition("\n")
    assert head == f"{name} ({package.fields['Version']}) bookworm; urgency=medium"
    assert re.search(r"^ -- .+ <.+@.+>  \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$", changelog, re.M)
    copyright_text = package.file(f"/usr/share/doc/{name}/copyright").decode()
    assert "Copyright: 2026 The smollama-cluster authors" in copyright_text
    assert "THE SOFTWARE IS PROVIDED" in copyright_text and copyright_text.count("License: Expat") == 1
    assert all(line.startswith(" ") for line in copyright_text.split("License: Expat\n")[1].splitlines())


def test_unit_names_the_installed_paths(package):
    name = package.fields["Package"]
    unit = package.file(f"/usr/lib/systemd/system/{name}.service").decode()
    assert f"\nExecStart=/usr/bin/{name} -c /etc/{name}/config.yaml\n" in unit
    assert "@" not in re.sub(r"=~?@\w[\w -]*(@[\w-]+)*", "", unit)
    assert package.read(package.control, "./conffiles").decode() == f"/etc/{name}/config.yaml\n"
    pages = re.findall(r"man:([\w-]+)\((\d)\)", unit)
    assert pages and {f"/usr/share/man/man{section}/{page}.{section}.gz" for page, section in pages} <= set(package.members())


def test_scripts_are_clean(package, tmp_path):
    for script in ("postinst", "prerm", "postrm"):
        path = tmp_path / script
        path.write_bytes(package.read(package.control, f"./{script}"))
        assert path.read_text().startswith("#!/bin/sh\n") and "\nset -e\n" in path.read_text()
        done = subprocess.run(["shellcheck", "-s", "dash", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_checksums_are_right(package, tmp_path):
    subprocess.run(["dpkg-deb", "-x", package.path, tmp_path], check=True)
    done = subprocess.run(["md5sum", "--quiet", "-c", "-"], cwd=tmp_path, input=package.read(package.control, "./md5sums"),
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


# --- life ---

@pytest.fixture
def box(tmp_path):
    reason = machine.why_impossible()
    if reason:
        pytest.skip(reason)
    with machine.Machine(tmp_path, "box") as made:
        yield made
        print(made.logs())


def newer(path, folder):
    """The same package with a higher version, and a change in the shipped configuration."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "-R", path, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 9.0.0-1", control.read_text(), flags=re.M))
    shipped = next((tree / "etc").glob("*/config.yaml"))
    shipped.write_text(shipped.read_text() + "# of version 9\n")
    made = folder / path.name.replace(path.name.split("_")[1], "9.0.0-1")
    subprocess.run(["dpkg-deb", "-b", tree, made], check=True, capture_output=True)
    return made


@BOTH
def test_installs_upgrades_and_leaves(box, tmp_path, name):
    wanted = f"/etc/systemd/system/multi-user.target.wants/{name}.service"
    state = "/var/lib/llamad" if name == "llamad" else None
    box.run(f"dpkg -i {box.put(packages.find(name))}")
    assert box.output(f"stat -c '%a %U %G' /etc/{name}") == f"2750 root {name}"
    assert box.exists(wanted)
    if state:
        assert box.output(f"stat -c '%a %U %G' {state}") == f"750 {name} {name}"
    checked = box.run(f"setpriv --reuid={name} --regid={name} --clear-groups {name} --check -c /etc/{name}/config.yaml")
    assert checked.stderr == "" and "  # default" in checked.stdout

    # What root adds can be read by the service, and by nobody else. It stays over an upgrade, without a question.
    box.run(f"printf 'mqtt: {{broker: broker.lan}}\\n' | install -m 640 /dev/stdin /etc/{name}/config.local.yaml")
    box.run(f"systemctl disable {name} 2>/dev/null || rm {wanted}")
    box.run(f"/var/lib/dpkg/info/{name}.postinst configure 0.1.0-1")
    box.run(f"dpkg -i {box.put(newer(packages.find(name), tmp_path))}")
    assert box.output(f"dpkg-query -W -f '${{Version}}' {name}") == "9.0.0-1"
    assert "# of version 9" in box.output(f"cat /etc/{name}/config.yaml")
    assert not box.exists(wanted), "what the administrator disabled was enabled again"
    checked = box.run(f"setpriv --reuid={name} --regid={name} --clear-groups {name} --check -c /etc/{name}/config.yaml")
    assert 'mqtt.broker = "broker.lan"' in checked.stdout
    assert box.run(f"setpriv --reuid=nobody --regid=nogroup --clear-groups cat /etc/{name}/config.local.yaml",
                   check=False).returncode != 0

    box.run(f"dpkg -r {name}")
    assert not box.exists(f"/usr/bin/{name}") and box.exists(f"/etc/{name}/config.local.yaml")
    assert not state or box.exists(state)
    box.run(f"dpkg -P {name}")
    left = {path for path in box.changed() if name in path and not path.startswith(("/var/log/", "/var/cache/", "/root/"))}
    assert not left
    assert box.run(f"getent passwd {name}", check=False).returncode != 0
    assert box.run(f"getent group {name}", check=False).returncode != 0


def test_both_live_on_one_machine(box):
    box.run(f"dpkg -i {' '.join(box.put(packages.find(name)) for name in packages.NAMES)}")
    box.run("dpkg -P llamad")
    assert box.exists("/usr/bin/alpaca-agent") and box.output("alpaca-agent --version").startswith("alpaca-agent ")
