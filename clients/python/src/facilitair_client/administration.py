"""Tenants and keys, for administrators."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import httpx
from msgspec import Struct

from facilitair_client.backoff import Patience
from facilitair_client.paging import rows_of
from facilitair_client.requesting import decoded, request

_ONCE: Final = Patience(give_up_after_s=0)
"""A key that was issued and whose answer was lost must not be followed by a second one."""


class Identity(Struct, frozen=True, kw_only=True):
    """Who a request is taken for. ``access`` is ``open`` while no key exists, then ``keys``."""

    tenant: str
    actor: str
    scopes: tuple[str, ...]
    access: str
    project: str = "default"
    key_id: str | None = None


class Tenant(Struct, frozen=True, kw_only=True):
    """A tenant, ``active`` or ``closed``."""

    tenant: str
    status: str
    name: str | None = None
    created_at: datetime | None = None
    closed_at: datetime | None = None


class Key(Struct, frozen=True, kw_only=True):
    """What is known of a key: never the key itself."""

    id: str
    tenant: str
    status: str
    label: str = ""
    scopes: tuple[str, ...] = ()
    project: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class IssuedKey(Key, frozen=True, kw_only=True):
    """A new key; ``key`` is what a client sends, and cannot be had again."""

    key: str

    def __repr__(self) -> str:
        return f"IssuedKey(id={self.id!r})"


class Logic(Struct, frozen=True, kw_only=True):
    """Versions of the reducer: what new collaborations keep, and the newest the gateway knows."""

    active: int
    known: int


class Administration:
    """The administration of one gateway; all but ``me`` needs the scope ``admin``.

    Every method raises as those of ``Facilitair`` do.
    What creates something is sent once: after a ConnectionLostError it may have been done.
    """

    def __init__(self, http: httpx.AsyncClient, *, patience: Patience) -> None:
        self._http = http
        self._patience = patience

    async def me(self) -> Identity:
        """Who this client is taken for."""
        return decoded(await self._get("/v1/me"), Identity)

    async def create_tenant(self, tenant: str, *, name: str | None = None) -> Tenant:
        """Create a tenant. Raises ApiError 409 for a name that is taken, or was."""
        body = {"tenant": tenant} | ({} if name is None else {"name": name})
        return decoded(await self._once("/v1/admin/tenants", body), Tenant)

    async def tenants(self) -> list[Tenant]:
        """All tenants."""
        return await rows_of(partial(self._get, "/v1/admin/tenants"), Tenant)

    async def close_tenant(self, tenant: str) -> Tenant:
        """Close a tenant for good, with all its keys."""
        path = f"/v1/admin/tenants/{quote(tenant, safe='')}"
        return decoded(await self._delete(path), Tenant)

    async def create_key(
        self,
        tenant: str = "local",
        *,
        label: str = "",
        scopes: Sequence[str] = ("write",),
        project: str | None = None,
        expires_in_s: int | None = None,
    ) -> IssuedKey:
        """Issue a key; the answer is the only place where it can be read."""
        body: dict[str, Any] = {"tenant": tenant, "label": label, "scopes": list(scopes)}
        body |= {} if project is None else {"project": project}
        body |= {} if expires_in_s is None else {"expires_in_s": expires_in_s}
        return decoded(await self._once("/v1/admin/keys", body), IssuedKey)

    async def keys(self, tenant: str | None = None) -> list[Key]:
        """All keys, or those of a tenant."""
        params = None if tenant is None else {"tenant": tenant}
        fetch = partial(self._get, "/v1/admin/keys")
        return await rows_of(fetch, Key, params=params)

    async def revoke_key(self, key_id: str) -> Key:
        """End a key at once; once is as good as twice."""
        path = f"/v1/admin/keys/{quote(key_id, safe='')}"
        return decoded(await self._delete(path), Key)

    async def logic(self) -> Logic:
        """Which version of the reducer new collaborations keep."""
        return decoded(await self._get("/v1/admin/logic"), Logic)

    async def activate_logic(self, version: int) -> Logic:
        """Have new collaborations keep a newer version; only when every orchestrator runs it.

        Twice is as good as once. Raises ApiError 409 for a lower version than the active one, and
        for one that the gateway does not know.
        """
        body = {"version": version}
        found = await request(
            self._http, "PUT", "/v1/admin/logic", patience=self._patience, json=body
        )
        return decoded(found, Logic)

    async def _once(self, path: str, body: dict[str, Any]) -> bytes:
        return await request(self._http, "POST", path, patience=_ONCE, json=body)

    async def _get(self, path: str, params: dict[str, str] | None = None) -> bytes:
        return await request(self._http, "GET", path, patience=self._patience, params=params)

    async def _delete(self, path: str) -> bytes:
        return await request(self._http, "DELETE", path, patience=self._patience)
