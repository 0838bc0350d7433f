"""Cursor pages ``{data, has_more, next_cursor}`` and their parameters."""

from collections.abc import Sequence
from typing import Any, Final

from starlette.datastructures import QueryParams

from facilitair_events.requests import Fault
from facilitair_gateway.errors import RequestFaultsError

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500
_LIMIT_DIGITS: Final = 9


def read_limit(query: QueryParams, *, default: int = DEFAULT_LIMIT) -> int:
    """How many items a page may have; more than the most is the most.

    Raises RequestFaultsError for what is no number.
    """
    text = query.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= _LIMIT_DIGITS) or int(text) < 1:
        message = f"'limit' must be a number from 1 to {MAX_LIMIT}"
        raise RequestFaultsError(
            faults=(Fault(code="invalid_field", message=message, field="limit"),)
        )
    return min(int(text), MAX_LIMIT)


def page(
    items: Sequence[dict[str, Any]],
    query: QueryParams,
    *,
    by: str,
    default_limit: int = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """A page of items in the order of their field ``by``; the cursor is the last that was seen."""
    limit = read_limit(query, default=default_limit)
    after = query.get("cursor", "")
    rest = [item for item in items if item[by] > after]
    data, more = rest[:limit], len(rest) > limit
    return {"data": data, "has_more": more, "next_cursor": data[-1][by] if more else None}
