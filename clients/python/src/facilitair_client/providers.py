"""The keys that a tenant brings for model providers: written, never read."""

from datetime import datetime
from functools import partial
from urllib.parse import quote

import httpx
from msgspec import Struct

from facilitair_client.backoff import Patience
from facilitair_client.paging import rows_of
from facilitair_client.requesting import decoded, request


class ProviderKey(Struct, frozen=True, kw_only=True):
    """What is known of a key: never the key itself.

    ``last_four`` is empty for a short key; ``opens`` says whether the gateway has the master key
    that it was sealed with.
    """

    last_four: str
    set_at: datetime
    set_by: str
    opens: bool


class Provider(Struct, frozen=True, kw_only=True):
    """A provider that is set up at the gateway, and the tenant's own key for it, if any."""

    provider: str
    key: ProviderKey | None = None


class Providers:
    """The providers of one gateway, for an administrator of the tenant (scope ``admin``).

    Every method raises as those of ``Facilitair`` do; each may be repeated without harm.
    """

    def __init__(self, http: httpx.AsyncClient, *, patience: Patience) -> None:
        self._http = http
        self._patience = patience

    async def all(self) -> list[Provider]:
        """The providers that are set up."""
        return await rows_of(partial(self._get, "/v1/providers"), Provider)

    async def set_key(self, provider: str, key: str) -> ProviderKey:
        """Have the tenant's calls of a provider made with this key from now on.

        Raises ApiError 404 for a provider that is not set up, 409 where the gateway has no master
        key, and 422 for what is no key.
        """
        found = await request(
            self._http, "PUT", _path(provider), patience=self._patience, json={"key": key}
        )
        return decoded(found, ProviderKey)

    async def key(self, provider: str) -> ProviderKey:
        """What is known of the tenant's key. Raises ApiError 404 without one."""
        return decoded(await self._get(_path(provider)), ProviderKey)

    async def remove_key(self, provider: str) -> None:
        """Remove the tenant's key. Raises ApiError 404 without one."""
        await request(self._http, "DELETE", _path(provider), patience=self._patience)

    async def _get(self, path: str, params: dict[str, str] | None = None) -> bytes:
        return await request(self._http, "GET", path, patience=self._patience, params=params)


def _path(provider: str) -> str:
    return f"/v1/providers/{quote(provider, safe='')}/key"
