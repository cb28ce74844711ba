"""--check looks into the files that the configuration names."""

import subprocess

import pytest

from tests.support.processes import AGENT, LLAMAD, faketime, run_to_end, why_no_faketime, write_yaml
from tests.support.tls import Authority

BOTH = pytest.mark.parametrize("program", [AGENT, LLAMAD], ids=["agent", "llamad"])


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("tls"))
    cert, key = authority.server()
    other_cert, other_key = authority.server("other")
    for path in (key, other_key, authority.key):
        path.chmod(0o600)
    locked = authority.folder / "locked.key"
    subprocess.run(["/usr/bin/openssl", "ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked],
                   check=True, capture_output=True)
    return {"ca": authority.cert, "cert": cert, "key": key, "other_key": other_key, "locked": locked}


def check(program, folder, env=None, **mqtt):
    path = write_yaml(folder / "config.yaml", {"node": {"name": "n"}, "mqtt": mqtt})
    return run_to_end([program, "--check", "-c", path], folder, env=env)


def paths(**files):
    return {key: str(path) for key, path in files.items()}


@BOTH
def test_good_files_are_passed_without_an_error(tmp_path, program, tls):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    done = check(program, tmp_path, tls=paths(ca=tls["ca"], cert=tls["cert"], key=tls["key"]), username="u",
                 password_file=str(secret))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the certificate ends on 20") == 2  # the test's live two days
    assert "error" not in done.stderr and "s3cret" not in done.stdout + done.stderr
    assert done.stdout.startswith(f"# {tmp_path}/config.yaml\n")


@BOTH
def test_all_that_is_wrong_with_files_is_said_at_once(tmp_path, program, tls):
    (tmp_path / "text").write_text("no certificate\n")
    (tmp_path / "empty").write_text("\nsecret\n")
    done = check(program, tmp_path, username="u", password_file=str(tmp_path / "empty"),
                 tls=paths(ca=tmp_path / "text", cert=tmp_path / "missing.crt", key=tls["locked"]))
    assert done.returncode == 78
    for text in (f"the first line of {tmp_path}/empty is empty", f"{tmp_path}/text holds no certificate (PEM)",
                 f"cannot read {tmp_path}/missing.crt: No such file", "has a passphrase"):
        assert text in done.stderr, (text, done.stderr)


@BOTH
def test_key_must_belong_to_the_certificate(tmp_path, program, tls):
    done = check(program, tmp_path, tls=paths(ca=tls["ca"], cert=tls["cert"], key=tls["other_key"]))
    assert done.returncode == 78 and "mqtt.tls.key: is not the key to the certificate" in done.stderr
    done = check(program, tmp_path, tls=paths(ca=tls["ca"], cert=tls["cert"], key=tls["cert"]))
    assert done.returncode == 78 and "holds no private key (PEM)" in done.stderr
    done = check(program, tmp_path, tls=paths(ca="/dev/zero"))
    assert done.returncode == 78 and "cannot read /dev/zero: is no regular file" in done.stderr


@BOTH
def test_secrets_that_everybody_can_read_are_warned_of(tmp_path, program, tls):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o644)
    done = check(program, tmp_path, username="u", password_file=str(secret))
    assert done.returncode == 0 and f"everybody on this machine can read {secret}" in done.stderr


@pytest.mark.skipif(why_no_faketime() is not None, reason=str(why_no_faketime()))
@pytest.mark.parametrize("shift, text", [("+3d", "the certificate ended on"), ("-9d", "is valid only from")])
def test_dates_are_warnings_since_the_clock_may_be_wrong(tmp_path, tls, shift, text):
    done = check(AGENT, tmp_path, env=faketime(shift), tls=paths(ca=tls["ca"]))
    assert done.returncode == 0 and text in done.stderr and "is the clock right?" in done.stderr


def test_a_state_folder_must_be_one(tmp_path):
    (tmp_path / "state").write_text("")
    path = write_yaml(tmp_path / "config.yaml", {"cluster": {"state_dir": str(tmp_path / "state")}})
    done = run_to_end([LLAMAD, "--check", "-c", path], tmp_path)
    assert done.returncode == 78 and "cluster.state_dir: is no folder" in done.stderr


@BOTH
def test_a_password_wants_a_user_name(tmp_path, program):
    done = check(program, tmp_path, password="s3cret")
    assert done.returncode == 0, done.stderr
    assert "config.yaml:4: mqtt.password: brokers know a password by its user: mqtt.username is not set" in done.stderr
    assert "mqtt.username" not in check(program, tmp_path, username="u", password="s3cret").stderr
    assert "mqtt.username" not in check(program, tmp_path, username="", password="").stderr, "as Smollama's own file has it"
