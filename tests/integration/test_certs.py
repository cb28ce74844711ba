"""llamad certs: what it makes is good for TLS, what is wrong is said in one line."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.processes import LLAMAD, write_yaml


@pytest.fixture
def certs(tmp_path: Path):
    config = write_yaml(tmp_path / "llamad.yaml", {"cluster": {"state_dir": str(tmp_path / "state")}})

    def run(*args: str, config: Path = config) -> subprocess.CompletedProcess:
        return subprocess.run([LLAMAD, "certs", "-c", config, *args], capture_output=True, text=True, timeout=10)
    run.folder = tmp_path / "state" / "certs"
    return run


def openssl(*args: object) -> str:
    return subprocess.run(["/usr/bin/openssl", *map(str, args)], check=True, capture_output=True, text=True).stdout


def test_first_call_makes_what_openssl_accepts_and_the_second_keeps_it(certs):
    first = certs("--name", "broker.lan", "--name", "192.0.2.77")
    assert first.returncode == 0 and first.stdout.count("made ") == 2, first
    for host in ("broker.lan", "localhost"):
        openssl("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host, "-CAfile", certs.folder / "ca.crt",
                certs.folder / "server.crt")
    openssl("verify", "-verify_ip", "192.0.2.77", "-CAfile", certs.folder / "ca.crt", certs.folder / "server.crt")
    before = {path.name: path.read_bytes() for path in certs.folder.iterdir()}
    assert certs().stdout.count("kept ") == 2
    assert certs("--renew").stdout.count("kept ") == 2, "it is not due"
    assert {path.name: path.read_bytes() for path in certs.folder.iterdir()} == before


def same_key(certificate: Path, key: Path) -> bool:
    return openssl("x509", "-in", certificate, "-noout", "-pubkey") == openssl("pkey", "-in", key, "-pubout")


def test_two_at_once_make_one_authority(certs):
    """As `llamad enrol` while llamad first starts."""
    for _ in range(8):
        shutil.rmtree(certs.folder, ignore_errors=True)
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda _: certs(), range(4)))
        assert not [one for one in done if one.returncode], done
        assert sum("made    " + str(certs.folder / "ca.crt") in one.stdout for one in done) == 1, done
        assert same_key(certs.folder / "ca.crt", certs.folder / "ca.key")
        assert same_key(certs.folder / "server.crt", certs.folder / "server.key")
        openssl("verify", "-CAfile", certs.folder / "ca.crt", certs.folder / "server.crt")


def test_another_name_is_added_under_the_same_authority(certs):
    certs()
    authority = (certs.folder / "ca.crt").read_bytes()
    out = certs("--name", "later.lan").stdout
    assert "renewed" in out and "for later.lan, " in out and ", localhost, " in out, out
    assert (certs.folder / "ca.crt").read_bytes() == authority
    openssl("verify", "-verify_hostname", "later.lan", "-CAfile", certs.folder / "ca.crt", certs.folder / "server.crt")


def test_client_certificate(certs):
    assert certs("client", "pi b ü").returncode == 0
    openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", certs.folder / "ca.crt", certs.folder / "pi b ü.crt")
    assert (certs.folder / "pi b ü.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("args, status, text", [
    (["--name", "a,DNS:b"], 64, "neither a DNS name nor an address: a,DNS:b"),
    (["client"], 64, "expected nothing or 'client NAME'"),
    (["client", "../etc/x"], 64, "contains /"),
    (["client", "ca"], 64, "files of ours"),
    (["--nonsense"], 64, "unknown option"),
    (["--dir", "/proc/none"], 1, "cannot make /proc/none"),
])
def test_what_is_wrong_is_said_in_one_line(certs, args, status, text):
    out = certs(*args)
    assert out.returncode == status and text in out.stderr and out.stderr.count("\n") == 1, out
    assert not certs.folder.exists()


def test_unreadable_configuration_is_status_78(certs, tmp_path):
    out = certs(config=tmp_path / "none.yaml")
    assert out.returncode == 78 and "none.yaml" in out.stderr
