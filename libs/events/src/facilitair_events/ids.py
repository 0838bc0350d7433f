"""Ids that follow from their cause: the same cause has the same id in every replay."""

import json
from typing import Final
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("0d5f9a2e-6c1b-5f3a-9e47-b1f6c0a8d2e4")
"""Fixed for ever: every id in every log was made with it."""


def derive(*parts: str) -> str:
    """The uuid5 of ``parts``; no two different lists of parts are the same text."""
    return str(uuid5(NAMESPACE, json.dumps(parts, separators=(",", ":"))))


def call_id(  # noqa: PLR0917 - the order of R17
    tenant: str, collaboration: str, path: str, attempt: int, index: int
) -> str:
    """The id of one physical request to a model (R17)."""
    return derive("call", tenant, collaboration, path, str(attempt), str(index))


def collaboration_id(tenant: str, idempotency_key: str) -> str:
    """The id of the collaboration that a tenant asked for under an ``Idempotency-Key``."""
    return derive("collaboration", tenant, idempotency_key)
