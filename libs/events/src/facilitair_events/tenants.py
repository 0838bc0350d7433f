"""Records of ``tenants``: who may use Facilitair, and the digests of their keys.

The secret of a key is in none of them.
A record is never followed by a tombstone: what was closed or revoked stays known as that.
"""

from typing import Literal

from msgspec import Struct

from facilitair_events.instants import Instant


class TenantCreated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tenant exists. Key ``tenant:tenant:tenant``; ``name`` is what people call it."""

    tenant: str
    created_by: str
    created_at: Instant
    name: str | None = None


class TenantClosed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tenant is closed for good: none of its keys works any more. Key as of the creation."""

    tenant: str
    closed_by: str
    closed_at: Instant
    name: str | None = None


class KeyIssued(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key works from now until ``expires_at``, if set. Key ``tenant:key:key_id``.

    ``digest`` is of the secret, lower-case hex, by ``algorithm``.
    ``scopes`` say what it may do; one that a gateway does not know allows nothing.
    ``project`` is what its requests are filed under that name none.
    """

    tenant: str
    key_id: str
    algorithm: Literal["sha256", "hmac-sha256"]
    digest: str
    scopes: tuple[str, ...]
    label: str
    created_by: str
    created_at: Instant
    project: str | None = None
    expires_at: Instant | None = None


class KeyRevoked(Struct, frozen=True, kw_only=True):
    """A key works no more, and never will. Key as of the issue; the digest is gone."""

    tenant: str
    key_id: str
    scopes: tuple[str, ...]
    label: str
    revoked_by: str
    revoked_at: Instant
