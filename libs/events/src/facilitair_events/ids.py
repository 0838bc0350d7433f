"""Ids that follow from their cause: the same cause has the same id in every replay."""

from hashlib import sha1
from json.encoder import encode_basestring_ascii as quoted
from typing import Final
from uuid import UUID

NAMESPACE: Final = UUID("0d5f9a2e-6c1b-5f3a-9e47-b1f6c0a8d2e4")
"""Fixed for ever: every id in every log was made with it."""

_UUID_BYTES: Final = 16


def derive(*parts: str) -> str:
    """The uuid5 of ``parts`` as a JSON list; no two different lists of parts are the same text.

    Computed here, because every record has one and ``uuid.uuid5`` takes several times as long.
    """
    name = f"[{','.join(map(quoted, parts))}]"
    whole = NAMESPACE.bytes + name.encode()
    number = bytearray(sha1(whole, usedforsecurity=False).digest()[:_UUID_BYTES])
    number[6] = number[6] & 0x0F | 0x50  # version 5
    number[8] = number[8] & 0x3F | 0x80  # variant of RFC 9562
    text = number.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def call_id(  # noqa: PLR0917 - the order of R17
    tenant: str, collaboration: str, path: str, attempt: int, index: int
) -> str:
    """The id of one physical request to a model (R17)."""
    return derive("call", tenant, collaboration, path, str(attempt), str(index))


def collaboration_id(tenant: str, idempotency_key: str) -> str:
    """The id of the collaboration that a tenant asked for under an ``Idempotency-Key``."""
    return derive("collaboration", tenant, idempotency_key)
