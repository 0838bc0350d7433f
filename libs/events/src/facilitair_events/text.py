"""Texts as they travel: personal strings, artifacts, and the sizes that decide between them."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from facilitair_events.numbers import Count

INLINE_LIMIT_BYTES: Final = 64 * 1024
"""A longer text travels only as an artifact."""

STATE_LIMIT_BYTES: Final = 8 * 1024
"""A longer text is never held by state or tasks; they refer to its artifact."""


class Personal(Struct, frozen=True):
    """A string that erasure must be able to destroy.

    ``k`` names the data key that encrypted ``v``; null means plain text.
    With a key, ``v`` is base64 of the cipher text.
    Both fields are always on the wire.
    """

    k: str | None
    v: str


class Artifact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reference to a blob stored under ``tenant/collaboration/sha256``.

    ``size`` counts bytes, ``sha256`` is lower-case hex of the content.
    """

    uri: str
    sha256: str
    size: Count
    media_type: str = "text/plain; charset=utf-8"


class Text(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A text that is inline, an artifact, or both.

    Up to 8 KiB it is inline only; from 8 to 64 KiB it is both; above it is an artifact only.
    ``size`` counts UTF-8 bytes.
    """

    size: Count
    text: Personal | None = None
    artifact: Artifact | None = None


def personal(value: str) -> Personal:
    """A string as it travels before encryption."""
    return Personal(k=None, v=value)


def personal_json(value: Any) -> Personal:
    """JSON data as one string, so that erasure destroys all of it; read it with ``json.loads``."""
    return Personal(k=None, v=msgspec.json.encode(value).decode())


def inline(value: str) -> Text:
    """Wrap a short string; the caller has checked that it is at most ``STATE_LIMIT_BYTES`` long."""
    return Text(size=len(value.encode()), text=personal(value))


def for_state(text: Text) -> Text:
    """Drop the inline copy of a text that state and tasks may only refer to."""
    if text.artifact is None or text.size <= STATE_LIMIT_BYTES:
        return text
    return Text(size=text.size, artifact=text.artifact)
