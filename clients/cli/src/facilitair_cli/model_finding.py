"""Which model a name means: one that is listed, or one that its provider takes unlisted."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from facilitair_cli.errors import NotFoundError
from facilitair_client import ApiError, Facilitair

Row = Mapping[str, Any]


async def find(client: Facilitair, name: str, *, rows: Sequence[Row]) -> Row:
    """The model of a name among ``rows`` or beside them. Raises NotFoundError.

    Without a provider before it, the name must be that of only one.
    """
    fitting = [row for row in rows if row["name"] == name] or [
        row for row in rows if row["model"] == name
    ]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and "/" in name:
        try:
            return await client.model(name)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
    names = [row["name"] for row in fitting or rows]
    near = names if fitting else get_close_matches(name, names, n=3, cutoff=0.5)
    advice = f"; did you mean {' or '.join(near)}?" if near else "; see facilitair models ls"
    raise NotFoundError(what=f"there is no model {name!r}{advice}")


async def named(client: Facilitair, name: str) -> Row:
    """The model of a name. Raises NotFoundError."""
    return await find(client, name, rows=await client.models())
