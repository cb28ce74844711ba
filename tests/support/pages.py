"""Configurations as the pages of docs/ print them, so that what is printed is what was tried."""

from __future__ import annotations

import re

import yaml

from tests.support.processes import ROOT


def blocks(page: str, language: str) -> list[str]:
    """The blocks of that language in docs/<page>."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)


def yaml_blocks(page: str) -> list[dict]:
    return [yaml.safe_load(text) for text in blocks(page, "yaml")]


def replaced(text: str, changes: dict[str, str]) -> str:
    """Each key stands in the text, and its value is put in its place."""
    for stands, here in changes.items():
        assert stands in text, f"{stands!r} is missing"
        text = text.replace(stands, here)
    return text
