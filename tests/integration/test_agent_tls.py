"""What is wrong with TLS or the account is said in one line, by its cause."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.processes import free_port
from tests.support.tls import Authority


class TlsBroker:
    """A mosquitto with a plain and a TLS port, and certificates of several sorts."""

    def __init__(self, stack, folder: Path, lines: list[str] | None = None, **certificate):
        self.authority = Authority(folder / "tls")
        cert, key = self.authority.server(**certificate)
        self.tls_port = free_port()
        self.broker = stack.broker(name=f"broker-{self.tls_port}", lines=[
            f"listener {self.tls_port} 127.0.0.1", f"certfile {cert}", f"keyfile {key}", *(lines or [])])
        self.port = self.broker.port


def says(stack, text: str, port: int, **tls: object) -> None:
    agent = stack.agent(f"pi-{len(stack.processes)}", {"mqtt": {"broker": "127.0.0.1", "tls": {k: str(v) for k, v in tls.items()}},
                               "alpaca": {"source": "system"}}, broker_port=port)
    line = agent.wait_log("cannot connect to")
    assert text in line, line


def expired(authority: Authority, first: str, last: str) -> tuple[Path, Path]:
    cert, key = authority.server("odd")
    folder = authority.folder
    subprocess.run(["/usr/bin/openssl", "ca", "-batch", "-config", "/dev/stdin", "-in", folder / "odd.csr", "-out", cert, "-startdate", first,
                    "-enddate", last, "-extfile", folder / "odd.ext", "-cert", authority.cert, "-keyfile", authority.key,
                    "-outdir", folder, "-notext"], check=True, capture_output=True, text=True,
                   input=f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n"
                         "[p]\ncommonName=supplied\n")
    return cert, key


def test_certificate_of_another_authority(stack, tmp_path):
    broker = TlsBroker(stack, tmp_path)
    other = Authority(tmp_path / "other")
    says(stack, "the broker's certificate is not of the authority in mqtt.tls.ca", broker.tls_port, ca=other.cert)


def test_certificate_for_another_name(stack, tmp_path):
    broker = TlsBroker(stack, tmp_path, names="DNS:elsewhere.lan")
    says(stack, "the broker's certificate is not for this name (mqtt.broker)", broker.tls_port, ca=broker.authority.cert)


@pytest.mark.parametrize("first, last, text", [("20200101000000Z", "20200201000000Z", "the broker's certificate has expired"),
                                               ("20980101000000Z", "20990101000000Z", "is this machine's clock right?")])
def test_certificate_out_of_its_time(stack, tmp_path, first, last, text):
    authority = Authority(tmp_path / "tls")
    (tmp_path / "tls" / "index").touch()
    cert, key = expired(authority, first, last)
    port = free_port()
    stack.broker(lines=[f"listener {port} 127.0.0.1", f"certfile {cert}", f"keyfile {key}"])
    says(stack, text, port, ca=authority.cert)


def test_tls_to_a_plain_port(stack, tmp_path):
    broker = TlsBroker(stack, tmp_path)
    says(stack, "does that port speak TLS?", broker.port, ca=broker.authority.cert)


def test_plain_to_a_tls_port(stack, tmp_path):
    broker = TlsBroker(stack, tmp_path)
    says(stack, "TLS", broker.tls_port)  # what the broker says may be lost with the connection


def test_authority_that_is_none(stack, tmp_path):
    broker = TlsBroker(stack, tmp_path)
    rubbish = tmp_path / "rubbish.crt"
    rubbish.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    agent = stack.agent("pi", {"mqtt": {"broker": "127.0.0.1", "tls": {"ca": str(rubbish)}}, "alpaca": {"source": "system"}},
                        broker_port=broker.tls_port, start=False)
    agent.start()
    assert "rubbish.crt" in agent.wait_log("mqtt.tls.ca")
    agent.expected_exit = 78 if not agent.alive else 0


def test_broker_that_asks_for_a_certificate(stack, tmp_path):
    authority = Authority(tmp_path / "clients")
    broker = TlsBroker(stack, tmp_path, lines=["require_certificate true", f"cafile {authority.cert}"])
    says(stack, "(mqtt.tls.cert)", broker.tls_port, ca=broker.authority.cert)
    cert, key = Authority(tmp_path / "strangers").server("pi")
    says(stack, "(mqtt.tls.cert)", broker.tls_port, ca=broker.authority.cert, cert=cert, key=key)
    cert, key = authority.server("pi")
    agent = stack.agent("in", {"mqtt": {"broker": "127.0.0.1", "tls": {"ca": str(broker.authority.cert), "cert": str(cert), "key": str(key)}},
                               "alpaca": {"source": "system"}}, broker_port=broker.tls_port)
    agent.wait_log("connected to")


def test_refused_account(stack):
    broker = stack.broker(anonymous=False)
    says(stack, "the broker does not know the account or its password, or it was revoked", broker.port)
