"""Throw-away certificates, made with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def _openssl(*args: object) -> None:
    subprocess.run(["/usr/bin/openssl", *map(str, args)], check=True, capture_output=True)


class Authority:
    """A CA in a folder; `server` issues a certificate for loopback."""

    def __init__(self, folder: Path, name: str = "ca"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                 "-subj", f"/CN=test {name}", "-keyout", self.key, "-out", self.cert)

    def server(self, name: str = "server", names: str = "IP:127.0.0.1,DNS:localhost", days: int = 2) -> tuple[Path, Path]:
        """(certificate, key) valid for `names`; of negative `days`, not any more."""
        cert, key, request, extra = (self.folder / f"{name}.{end}" for end in ("crt", "key", "csr", "ext"))
        extra.write_text(f"subjectAltName={names}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                 "-extfile", extra, "-out", cert)
        return cert, key
