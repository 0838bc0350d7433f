"""Creating and closing tenants, issuing and revoking keys: checked here, kept in the log."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from facilitair_events.tenants import KeyIssued, KeyRevoked, TenantClosed, TenantCreated
from facilitair_gateway import api_keys
from facilitair_gateway.access import Secrets
from facilitair_gateway.directory import RESERVED, AccessRecord, Directory, KeyRecord, record_key
from facilitair_gateway.errors import (
    ConflictError,
    UnknownKeyError,
    UnknownTenantError,
)
from facilitair_gateway.principal import ADMIN, Principal, granted
from facilitair_gateway.recording import Recorder

_PROJECT: Final = "default"


class KeyWish(Struct, frozen=True, kw_only=True):
    """What a key shall be. ``expires_in_s`` is null for one that never expires."""

    tenant: str
    label: str
    scopes: tuple[str, ...]
    project: str | None = None
    expires_in_s: int | None = None


class Administration:
    """Writes what administrators decide.

    Every method returns, and raises, as ``Recorder.write`` does.
    Two gateways that are asked for contradicting things at one moment may both do them.
    """

    def __init__(
        self,
        directory: Directory,
        recorder: Recorder,
        *,
        secrets_known: Secrets,
        environment: str,
    ) -> None:
        self._directory = directory
        self._recorder = recorder
        self._secrets = secrets_known
        self._environment = environment

    @property
    def directory(self) -> Directory:
        """What there is."""
        return self._directory

    def now(self) -> datetime:
        """The time by which keys expire here, in whole milliseconds."""
        return self._recorder.now()

    async def create_tenant(self, tenant: str, *, name: str | None, by: Principal) -> TenantCreated:
        """Create a tenant. Raises ConflictError for a name that is taken, or was."""
        if tenant in RESERVED or self._directory.tenant(tenant) is not None:
            raise ConflictError(
                code="tenant_exists",
                message="there is, or was, a tenant of this name; choose another one",
            )
        record = TenantCreated(tenant=tenant, created_by=by.actor, created_at=self.now(), name=name)
        await self._write(record, by=by, project=_PROJECT)
        return record

    async def close_tenant(self, tenant: str, *, by: Principal) -> TenantClosed:
        """Close a tenant for good; a closed one stays as it is.

        Raises UnknownTenantError, and ConflictError for what would lock everybody out.
        """
        known = self._directory.tenant(tenant)
        if tenant in RESERVED:
            raise ConflictError(code="tenant_reserved", message="this tenant cannot be closed")
        if known is None:
            raise UnknownTenantError
        if isinstance(known, TenantClosed):
            return known
        self._keep_an_admin(lambda key: key.tenant != tenant)
        record = TenantClosed(
            tenant=tenant, closed_by=by.actor, closed_at=self.now(), name=known.name
        )
        await self._write(record, by=by, project=_PROJECT)
        return record

    async def issue_key(self, wish: KeyWish, *, by: Principal) -> tuple[KeyIssued, str]:
        """A new key and its text, which is nowhere else and cannot be had again.

        Raises UnknownTenantError, and ConflictError for a first key that could not administer.
        """
        if not self._directory.is_active(wish.tenant):
            raise UnknownTenantError
        lasting_admin = wish.expires_in_s is None and ADMIN in granted(wish.scopes)
        if not (lasting_admin or self._directory.has_keys or self._secrets.admin_key):
            raise ConflictError(
                code="admin_key_first",
                message=(
                    "the first key must have the scope 'admin' and no expiry: from then on every"
                    " request needs a key, and nobody could create another one"
                ),
            )
        entropy = secrets.token_bytes(api_keys.ID_BYTES + api_keys.SECRET_BYTES)
        key, text = api_keys.mint(self._environment, entropy=entropy)
        algorithm, digest = api_keys.digest(key.secret, pepper=self._secrets.pepper)
        now = self.now()
        lasts = None if wish.expires_in_s is None else timedelta(seconds=wish.expires_in_s)
        record = KeyIssued(
            tenant=wish.tenant,
            key_id=key.key_id,
            algorithm=algorithm,
            digest=digest,
            scopes=wish.scopes,
            label=wish.label,
            created_by=by.actor,
            created_at=now,
            project=wish.project,
            expires_at=None if lasts is None else now + lasts,
        )
        await self._write(record, by=by, project=wish.project or _PROJECT)
        return record, text

    async def revoke_key(self, key_id: str, *, by: Principal) -> KeyRevoked:
        """End a key; one that is revoked stays as it is.

        Raises UnknownKeyError, and ConflictError for what would lock everybody out.
        """
        known = self._directory.key(key_id)
        if known is None:
            raise UnknownKeyError
        if isinstance(known, KeyRevoked):
            return known
        self._keep_an_admin(lambda key: key.key_id != key_id)
        record = KeyRevoked(
            tenant=known.tenant,
            key_id=key_id,
            scopes=known.scopes,
            label=known.label,
            revoked_by=by.actor,
            revoked_at=self.now(),
        )
        await self._write(record, by=by, project=known.project or _PROJECT)
        return record

    def status(self, key: KeyRecord) -> str:
        """Whether a key works now."""
        return self._directory.status(key, self.now())

    def _keep_an_admin(self, stays: Callable[[KeyIssued], bool]) -> None:
        """Raises ConflictError when keys can administer now, and none of those that stay could."""
        admins = list(self._directory.lasting_admins(self.now()))
        if self._secrets.admin_key or not admins or any(map(stays, admins)):
            return
        raise ConflictError(
            code="last_admin_key",
            message=(
                "this would end the last key with the scope 'admin' that does not expire; create"
                " another one first"
            ),
        )

    async def _write(self, record: AccessRecord, *, by: Principal, project: str) -> None:
        key = record_key(record)
        await self._recorder.write(
            record, key=key, by=by, project=project, shows=lambda: self._shows(record)
        )

    def _shows(self, record: AccessRecord) -> bool:
        if isinstance(record, KeyIssued | KeyRevoked):
            return self._directory.key(record.key_id) == record
        return self._directory.tenant(record.tenant) == record
