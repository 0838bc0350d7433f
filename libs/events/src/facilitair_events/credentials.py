"""Records of ``credentials``: keys that tenants brought for model providers, sealed.

Key ``tenant:provider``. The key itself is in none of them: it is sealed by the master key of the
installation (AES-256-GCM, bound to tenant and provider), and only its last characters are shown.
"""

from typing import Literal

from msgspec import Struct

from facilitair_events.instants import Instant


class CredentialStored(Struct, frozen=True, kw_only=True):
    """A tenant's calls of a provider are made with this key from now on.

    ``master_key_id`` says which master key opens it; ``nonce`` and ``ciphertext`` are base64.
    ``hint`` are its last four characters, none of a short one, so that people know it again.
    """

    tenant: str
    provider: str
    algorithm: Literal["aes-256-gcm"]
    master_key_id: str
    nonce: str
    ciphertext: str
    hint: str
    set_by: str
    set_at: Instant


class CredentialRemoved(Struct, frozen=True, kw_only=True):
    """A tenant has no key of its own for a provider any more; the sealed one is gone."""

    tenant: str
    provider: str
    removed_by: str
    removed_at: Instant
