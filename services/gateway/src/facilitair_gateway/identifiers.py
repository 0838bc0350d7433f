"""Ids of collaborations, and what a client may use as its own. Pure."""

import re
from typing import Final
from uuid import UUID

from facilitair_events.ids import collaboration_id

_CLIENT_KEY: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

CLIENT_KEY_RULE: Final = "1 to 255 visible ASCII characters"


def uuid7(at_ms: int, entropy: bytes) -> str:
    """An RFC 9562 version 7 UUID: ``at_ms`` milliseconds since the epoch, then 10 random bytes.

    Ids made in different milliseconds sort in the order of their making.
    """
    value = (at_ms & (1 << 48) - 1) << 80 | int.from_bytes(entropy[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def is_client_key(text: str) -> bool:
    """Whether a client may use it as Idempotency-Key or client_id."""
    return _CLIENT_KEY.fullmatch(text) is not None


def is_collaboration_id(text: str) -> bool:
    """Whether any collaboration may have this id: a UUID in lower case."""
    return _UUID.fullmatch(text) is not None


def submit_id(tenant: str, idempotency_key: str | None, *, fresh: str) -> str:
    """The id of a new collaboration: by its key where there is one, else ``fresh`` (R15)."""
    return fresh if idempotency_key is None else collaboration_id(tenant, idempotency_key)
