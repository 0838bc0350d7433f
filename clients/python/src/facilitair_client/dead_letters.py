"""Dead letters, for administrators: records that could not be handled, and what is done about them.

Their topics are read a part at a time, so a list may take several requests.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import httpx
from msgspec import Struct

from facilitair_client.backoff import Patience
from facilitair_client.paging import rows_of
from facilitair_client.requesting import decoded, request

_ONCE: Final = Patience(give_up_after_s=0)
"""A record that was put back and whose answer was lost must not be put back a second time."""

_PATH: Final = "/v1/admin/dlq"
_PAGE: Final = 500


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A dead letter without its value. What its record did not say readably is None.

    ``state`` is ``open``, ``replayed`` or ``discarded``.
    ``topic``, ``partition`` and ``offset`` are where the record lay that could not be handled.
    ``parent`` is the letter that the record had been put back from, for the ``replay``-th time.
    """

    id: str
    state: str
    topic: str
    dead_at: str
    partition: int | None = None
    offset: int | None = None
    appended_at: str | None = None
    key: str | None = None
    tenant: str | None = None
    collaboration: str | None = None
    type: str | None = None
    service: str | None = None
    group: str | None = None
    error: str | None = None
    reason: str | None = None
    attempts: int | None = None
    first_failed_at: str | None = None
    size: int | None = None
    parent: str | None = None
    replay: int = 0


class DeadLetters:
    """The dead letters of one gateway's log; everything needs the scope ``admin``.

    Every method raises as those of ``Facilitair`` do: ApiError 404 for a letter that does not
    exist, 409 for one that is closed.
    What puts a record back is sent once: after a ConnectionLostError, ``show`` tells whether it
    was done.
    """

    def __init__(self, http: httpx.AsyncClient, *, patience: Patience) -> None:
        self._http = http
        self._patience = patience

    async def list(self, *, most: int | None = None, **filters: str) -> list[DeadLetter]:
        """Letters in log order, at most ``most``.

        Filters are ``topic``, ``group``, ``reason``, ``tenant``, ``state`` and ``since``.
        """
        size = _PAGE if most is None else min(most, _PAGE)
        params = {**filters, "limit": str(size)}
        return await rows_of(partial(self._get, _PATH), DeadLetter, params=params, most=most)

    async def show(self, letter: str) -> dict[str, Any]:
        """Everything about one letter, its value, headers, actions and lineage included."""
        return decoded(await self._get(_place(letter)), dict[str, Any])

    async def replay(
        self, letter: str, *, again: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        """Append its record to the original topic again, byte for byte."""
        return await self._act(letter, "replay", body={"again": again, "dry_run": dry_run})

    async def edit(
        self,
        letter: str,
        value: Any,
        *,
        headers: Mapping[str, str | None] | None = None,
        again: bool = False,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Append a corrected record in its place. Raises ApiError 422 with everything wrong.

        ``value`` is JSON of the record's type; ``headers`` are set, or removed where None.
        """
        body = {"value": value, "headers": dict(headers or {}), "again": again, "dry_run": dry_run}
        return await self._act(letter, "edit", body=body)

    async def discard(self, letter: str, reason: str) -> dict[str, Any]:
        """Close it without doing anything else."""
        return await self._act(letter, "discard", body={"reason": reason})

    async def _act(self, letter: str, what: str, *, body: dict[str, Any]) -> dict[str, Any]:
        patience = self._patience if body.get("dry_run") else _ONCE
        path = f"{_place(letter)}/{what}"
        answer = await request(self._http, "POST", path, patience=patience, json=body)
        return decoded(answer, dict[str, Any])

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        return await request(self._http, "GET", path, patience=self._patience, params=params)


def _place(letter: str) -> str:
    return f"{_PATH}/{quote(letter, safe='')}"
