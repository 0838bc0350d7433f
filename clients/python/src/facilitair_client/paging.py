"""The rows of all pages of a list."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from facilitair_client.errors import ProtocolError
from facilitair_client.requesting import decoded

T = TypeVar("T")

Fetch = Callable[[dict[str, str]], Awaitable[bytes]]
"""Asks for one page, by the parameters of its query."""


class _Page(msgspec.Struct, frozen=True):
    data: list[Any]
    has_more: bool = False
    next_cursor: str | None = None


async def rows_of(
    fetch: Fetch,
    row: type[T],
    *,
    params: Mapping[str, str] | None = None,
    most: int | None = None,
) -> list[T]:
    """Every row, or the first ``most``, in the server's order; ``params`` go with each page.

    Raises what ``fetch`` raises, and ProtocolError for a row that is none.
    """
    found: list[T] = []
    asked = dict(params or {})
    while True:
        page = decoded(await fetch(asked), _Page)
        try:
            found += [msgspec.convert(item, row, strict=False) for item in page.data]
        except msgspec.ValidationError as error:
            raise ProtocolError(reason=str(error)) from error
        if not page.has_more or not page.next_cursor or (most is not None and len(found) >= most):
            return found[:most]
        asked["cursor"] = page.next_cursor
