"""Tenants and keys as the topic ``tenants`` has them: a fold of its records. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import structlog

from facilitair_events.tenants import KeyIssued, KeyRevoked, TenantClosed, TenantCreated
from facilitair_gateway.principal import ADMIN, LOCAL_TENANT, granted

TenantRecord = TenantCreated | TenantClosed
KeyRecord = KeyIssued | KeyRevoked
AccessRecord = TenantRecord | KeyRecord

log = structlog.get_logger(__name__)

RESERVED: Final = frozenset({LOCAL_TENANT, "platform"})
"""Names that no tenant is created under: who is here anyway, and the owner of the definitions."""


def record_key(record: AccessRecord) -> str:
    """The key of a record on the topic; what follows a record about the same thing has its key."""
    if isinstance(record, KeyIssued | KeyRevoked):
        return f"{record.tenant}:key:{record.key_id}"
    return f"{record.tenant}:tenant:{record.tenant}"


class Directory:
    """Everything that the log says about who may do what; ``on_change`` of a view feeds it."""

    def __init__(self) -> None:
        self._tenants: dict[str, TenantRecord] = {}
        self._keys: dict[str, KeyRecord] = {}

    @property
    def has_keys(self) -> bool:
        """Whether any key was ever issued; those that work no more count."""
        return bool(self._keys)

    def on_change(self, key: str, record: AccessRecord | None) -> None:
        """Note a change. A record under another key than its own is left out."""
        if record is None:
            kind, _, ident = key.partition(":")[2].partition(":")
            table: dict[str, TenantRecord] | dict[str, KeyRecord]
            table = self._keys if kind == "key" else self._tenants
            table.pop(ident, None)
        elif record_key(record) != key:
            log.error("record under a wrong key left out", key=key)
        elif isinstance(record, KeyIssued | KeyRevoked):
            self._keys[record.key_id] = record
        else:
            self._tenants[record.tenant] = record

    def tenant(self, tenant: str) -> TenantRecord | None:
        """What is known of a tenant; the local one needs no record."""
        return self._tenants.get(tenant)

    def key(self, key_id: str) -> KeyRecord | None:
        """What is known of a key."""
        return self._keys.get(key_id)

    def all_tenants(self) -> list[TenantRecord]:
        """All tenants that were created, by name."""
        return [self._tenants[name] for name in sorted(self._tenants)]

    def all_keys(self) -> list[KeyRecord]:
        """All keys, by id."""
        return [self._keys[key_id] for key_id in sorted(self._keys)]

    def is_active(self, tenant: str) -> bool:
        """Whether a tenant may have keys."""
        return tenant == LOCAL_TENANT or isinstance(self._tenants.get(tenant), TenantCreated)

    def status(self, record: KeyRecord, now: datetime) -> str:
        """Whether a key works: ``active``, ``expired``, ``revoked`` or ``tenant_closed``."""
        if isinstance(record, KeyRevoked):
            return "revoked"
        if not self.is_active(record.tenant):
            return "tenant_closed"
        if record.expires_at is not None and record.expires_at <= now:
            return "expired"
        return "active"

    def usable(self, key_id: str, now: datetime) -> KeyIssued | None:
        """The key, if it works now."""
        record = self._keys.get(key_id)
        if isinstance(record, KeyIssued) and self.status(record, now) == "active":
            return record
        return None

    def lasting_admins(self, now: datetime) -> Iterator[KeyIssued]:
        """Keys that can administer, now and for as long as nobody revokes them."""
        for record in self._keys.values():
            if (
                isinstance(record, KeyIssued)
                and record.expires_at is None
                and ADMIN in granted(record.scopes)
                and self.status(record, now) == "active"
            ):
                yield record
