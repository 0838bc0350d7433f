"""What a tenant used: summed from its account's state, and entry by entry from its books."""

from contextlib import aclosing
from datetime import date, datetime
from http import HTTPStatus
from typing import Any, Final, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from facilitair_events.requests import Fault
from facilitair_gateway.access import Access
from facilitair_gateway.entry_export import EntryExport, Opened, Wanted
from facilitair_gateway.entry_rows import Format, heading, line
from facilitair_gateway.errors import RequestFaultsError
from facilitair_gateway.identifiers import is_collaboration_id
from facilitair_gateway.principal import Principal
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.callers import Caller, Gateway
from facilitair_gateway.routes.documents import CURSOR, query_parameter
from facilitair_gateway.usage import BYS, By, usage_rows
from facilitair_gateway.views import plain
from facilitair_messaging.errors import LogAccessError, LogUnavailableError, UnknownTopicError

router = APIRouter(prefix="/v1", tags=["money"])

_MEDIA: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}
_ACCEPTED: Final[dict[str, Format]] = {
    "text/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
}
_USAGE: Final[dict[str, Any]] = {
    "parameters": [
        query_parameter("by", "Names of `day`, `agent`, `model`, `workflow`, with commas."),
        query_parameter("since", "The first day, like 2026-01-31, of the tenant's calendar."),
        query_parameter("until", "The last day."),
    ]
}
_ENTRIES: Final[dict[str, Any]] = {
    "parameters": [
        query_parameter("format", "`jsonl` (the default) or `csv`; wins over `Accept`."),
        query_parameter("since", "Only entries since this time, in RFC 3339 with an offset."),
        query_parameter("until", "Only entries before this time."),
        query_parameter("collaboration", "Only entries of this collaboration."),
        CURSOR,
    ]
}


@router.get("/usage", openapi_extra=_USAGE)
async def usage(*, request: Request, caller: Caller, gateway: Gateway) -> Response:
    """What the tenant used and was charged, by day unless `by` says otherwise.

    Days of long ago are kept without agent, model and workflow, which are `*` there.
    `charged_usd` leaves out `unpriced_calls`, whose prices nobody knows.
    """
    query = request.query_params
    faults: list[Fault] = []
    by = _by(query.get("by", "day"), faults)
    since, until = (_day(query, name, faults=faults) for name in ("since", "until"))
    if faults:
        raise RequestFaultsError(faults=tuple(faults))
    view = await gateway.accounts.view(caller.tenant, by=caller, usage=True)
    rows, totals = usage_rows(view.usage, by=by, since=since, until=until)
    return json_response(
        {
            "data": rows,
            "has_more": False,
            "next_cursor": None,
            "totals": totals,
            "by": by,
            "currency": "USD",
            "timezone": view.budget.timezone,
            "updated_at": plain(view.updated_at),
        }
    )


@router.get("/usage/entries", openapi_extra=_ENTRIES)
async def entries(*, request: Request, caller: Caller, gateway: Gateway) -> Response:
    """Every entry of the tenant's books, in their order, each with the call that it is about.

    The last `cursor` that was received reads on behind it; CSV then begins without its heading.
    An answer that breaks off is not whole.
    """
    query = request.query_params
    faults: list[Fault] = []
    form = _format(query.get("format"), request.headers.get("accept", ""), faults=faults)
    wanted = _wanted(query, faults)
    if faults:
        raise RequestFaultsError(faults=tuple(faults))
    try:
        opened = await gateway.entries.open(caller.tenant, wanted)
    except (LogUnavailableError, LogAccessError, UnknownTopicError, TimeoutError) as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    return _Export(gateway.entries, opened, form=form, access=gateway.access, by=caller)


class AccessEndedError(Exception):
    """The key that opened an export works no more: it is cut off."""


class _Export(StreamingResponse):
    """An export; its reader is closed when the client is gone, and no later."""

    def __init__(
        self, export: EntryExport, opened: Opened, *, form: Format, access: Access, by: Principal
    ) -> None:
        super().__init__(iter(()), media_type=_MEDIA[form])
        self.headers["cache-control"] = "no-store"
        self.headers["content-disposition"] = f'attachment; filename="entries.{form}"'
        self._export = export
        self._opened = opened
        self._form = form
        self._access = access
        self._by = by
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: PLR0917 - ASGI
        """Send all of it, for as long as who asked may read."""
        self._access.watch(self._by, self._end)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._access.unwatch(self._by, self._end)
            self._export.close()

    async def stream_response(self, send: Send) -> None:
        """Send the rows as they are read."""
        head: dict[str, Any] = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(head)
        if self._opened.wanted.cursor is None:
            await _part(heading(self._form), send)
        async with aclosing(self._export.rows(self._opened)) as parts:
            async for rows in parts:
                if self._ended:
                    raise AccessEndedError
                await _part(b"".join(line(row, self._form) for row in rows), send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _end(self) -> None:
        self._ended = True


async def _part(body: bytes, send: Send) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


def _by(text: str, faults: list[Fault]) -> tuple[By, ...]:
    names = [name.strip() for name in text.split(",")]
    known = tuple(one for name in names for one in BYS if one == name)
    if len(known) != len(names) or len(set(known)) != len(known):
        faults.append(_fault("by", f"must be some of {', '.join(BYS)}, each once, with commas"))
    return known


def _day(query: QueryParams, name: str, *, faults: list[Fault]) -> date | None:
    text = query.get(name)
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        faults.append(_fault(name, "must be a day like 2026-01-31"))
        return None


def _format(text: str | None, accept: str, *, faults: list[Fault]) -> Format:
    if text is None:
        kinds = (kind.partition(";")[0].strip().lower() for kind in accept.split(","))
        return next((_ACCEPTED[kind] for kind in kinds if kind in _ACCEPTED), "jsonl")
    known: dict[str, Literal["csv", "jsonl"]] = {"csv": "csv", "jsonl": "jsonl"}
    if text not in known:
        faults.append(_fault("format", "must be csv or jsonl"))
    return known.get(text, "jsonl")


def _wanted(query: QueryParams, faults: list[Fault]) -> Wanted:
    times = {name: _instant_ms(query, name, faults=faults) for name in ("since", "until")}
    collaboration = query.get("collaboration")
    if collaboration is not None and not is_collaboration_id(collaboration):
        faults.append(_fault("collaboration", "must be the id of a collaboration"))
    return Wanted(
        cursor=query.get("cursor") or None,
        since_ms=times["since"],
        until_ms=times["until"],
        collaboration=collaboration,
    )


def _instant_ms(query: QueryParams, name: str, *, faults: list[Fault]) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return max(int(found.timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        pass
    faults.append(_fault(name, "must be a time like 2026-01-31T12:00:00Z"))
    return None


def _fault(field: str, rule: str) -> Fault:
    return Fault(code="invalid_field", message=f"{field!r} {rule}", field=field)
