"""Shapes that the contract fixes, checked in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable

UTC_MS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
RETAIN_S = 7 * 24 * 3600


def is_utc(text: object) -> bool:
    """RFC 3339, milliseconds, Z."""
    return isinstance(text, str) and UTC_MS.fullmatch(text) is not None


def assert_keys(value: dict, keys: Iterable[str]) -> None:
    """Exactly these keys."""
    assert set(value) == set(keys)


def body_bytes(payload: bytes) -> bytes:
    """The bytes of a report's `body`, which the contract puts last."""
    _head, marker, rest = payload.partition(b'"body":')
    assert marker and rest.endswith(b"}"), payload[:300]
    return rest[:-1]
