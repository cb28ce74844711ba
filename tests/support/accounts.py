"""Users and tokens of a llamad under test, made by its own subcommands, and their way through HTTP."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

from tests.support.http_client import Http, Response
from tests.support.processes import LLAMAD, Llamad, _environment
from tests.support.waiting import stretched

PASSWORD = "a long enough one"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Accounts:
    """The two files in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.users, self.tokens = folder / "users", folder / "tokens"

    def run(self, command: str, *args: str, stdin: str = "") -> subprocess.CompletedProcess:
        path = self.users if command == "passwd" else self.tokens
        return subprocess.run([os.fspath(LLAMAD), command, "-f", path, *args], input=stdin, text=True, capture_output=True,
                              env=_environment(None), timeout=stretched(10), check=False)

    def user(self, name: str, *options: str, password: str = PASSWORD) -> "Accounts":
        done = self.run("passwd", *options, name, stdin=password + "\n")
        assert done.returncode == 0, done.stderr
        return self

    def token(self, name: str, *options: str) -> str:
        done = self.run("token", *options, name)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def remove(self, command: str, name: str) -> None:
        done = self.run(command, "--remove", name)
        assert done.returncode == 0, done.stderr

    @property
    def http(self) -> dict:
        """The section of llamad's configuration."""
        return {key: str(path) for key, path in (("users_file", self.users), ("tokens_file", self.tokens)) if path.exists()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(http: Http, name: str, password: str = PASSWORD, headers: dict[str, str] | None = None) -> Response:
    return http.request("POST", "/api/session", {"Authorization": basic(name, password), **(headers or {})}, body=b"")


def session(http: Http, name: str, password: str = PASSWORD) -> dict[str, str]:
    """The header of a new session."""
    answer = log_in(http, name, password)
    assert answer.status == 200, answer.body
    return {"Cookie": answer.headers["set-cookie"].split(";")[0]}


def start(stack, accounts: Accounts, token: str, config: dict | None = None, **options: object) -> Llamad:
    """llamad with logins; what the helpers ask of it they ask with that token."""
    http = {**accounts.http, **(config or {}).get("http", {})}
    llamad = stack.llamad({**(config or {}), "http": http}, start=False, **options)
    llamad.http.defaults = bearer(token)
    llamad.start()
    llamad.wait_broker()
    return llamad
