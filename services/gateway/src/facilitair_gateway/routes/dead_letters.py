"""Dead letters. Every route needs the scope ``admin``, over all tenants.

A list shows no text of a tenant; only one letter, asked for by its id, shows what is in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, get_args

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import QueryParams

from facilitair_events.requests import Fault
from facilitair_gateway.errors import RequestFaultsError
from facilitair_gateway.letters import telling
from facilitair_gateway.letters.desk import Edit
from facilitair_gateway.letters.letter import Place, parse_place
from facilitair_gateway.letters.lineage import lineage
from facilitair_gateway.letters.notes import LetterState
from facilitair_gateway.letters.reading import LetterReader, Wanted
from facilitair_gateway.principal import Principal
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.bodies import Body, checked, read_json
from facilitair_gateway.routes.callers import Administrator, Gateway, Parts
from facilitair_gateway.routes.documents import CURSOR, LIMIT, body_of, query_parameter
from facilitair_gateway.routes.paging import read_limit
from facilitair_messaging.errors import LogAccessError, LogUnavailableError, UnknownTopicError

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/admin", tags=["administration"])

_REASON_CHARS: Final = 500
_STATES: Final[tuple[LetterState, ...]] = get_args(LetterState)
_FILTERS: Final = {
    "topic": "Only letters of this topic; its own name or that of its dead-letter topic.",
    "group": "Only letters of this consumer group.",
    "reason": "A part of the reason, or the whole name of the exception class.",
    "tenant": "Only letters of this tenant's records.",
    "state": "Only letters that are `open`, `replayed` or `discarded`.",
    "since": "Only letters since this time, in RFC 3339 with an offset.",
}
_LIST: Final[dict[str, Any]] = {
    "parameters": [
        *(query_parameter(name, told) for name, told in _FILTERS.items()),
        CURSOR,
        LIMIT,
    ]
}


class Replay(BaseModel):
    """How to put a letter back."""

    model_config = ConfigDict(extra="forbid")

    again: bool = Field(default=False, description="Also a letter that is closed.")
    dry_run: bool = Field(default=False, description="Only say what would be done.")


class EditedReplay(Replay):
    """A corrected record to put back in the place of the letter's."""

    value: Any = Field(description="The corrected value: JSON of the record's type.")
    headers: dict[str, str | None] = Field(
        {}, description="Headers to set, or to remove where null; the others stay as they are."
    )


class Discard(BaseModel):
    """Why nothing more is done about a letter."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=1, max_length=_REASON_CHARS, description="Why; kept with the letter."
    )


@router.get("/dlq", openapi_extra=_LIST)
async def letters(*, request: Request, caller: Administrator, gateway: Gateway) -> Response:  # noqa: ARG001 - who asks is checked
    """Dead letters in log order, topic by topic, without what tenants wrote.

    A page may be short, or empty, and have more behind it: each reads for a bounded time.
    """
    query = request.query_params
    reader = gateway.letters.reader
    limit, wanted, after = read_limit(query), _wanted(query, reader), _after(query)
    with _log_answers():
        page = await reader.page(wanted, after=after, limit=limit)
    return json_response(
        {
            "data": [telling.row(letter, standing) for letter, standing in page.letters],
            "has_more": page.following is not None,
            "next_cursor": None if page.following is None else str(page.following),
        }
    )


@router.get("/dlq/{letter}")
async def one_letter(*, caller: Administrator, gateway: Gateway, letter: str) -> Response:
    """One letter with its headers, its value, what was done about it, and its lineage.

    The value is `json` where it is JSON, else `text`; `base64` has all its bytes.
    """
    with _log_answers():
        found, standing = await gateway.letters.look(letter)
        chain = await lineage(found, gateway.letters.reader)
    log.info("dead letter shown", letter=found.id, tenant=found.tenant, actor=caller.actor)
    groups = gateway.letters.reader.groups(found.topic)
    return json_response(telling.whole(found, standing, chain=chain, groups=groups))


@router.post("/dlq/{letter}/replay", openapi_extra=body_of(Replay))
async def replay(
    *, request: Request, caller: Administrator, gateway: Gateway, letter: str
) -> Response:
    """Append the record of a letter to its topic again, byte for byte.

    409 for a letter that was replayed or discarded already, unless `again`.
    `warnings` say what is known to come of it: a collaboration that has ended stays as it is.
    """
    body = await _read(request, Replay, gateway=gateway)
    return await _put_back(body, letter, caller=caller, gateway=gateway, edit=None)


@router.post("/dlq/{letter}/edit", openapi_extra=body_of(EditedReplay))
async def edit(
    *, request: Request, caller: Administrator, gateway: Gateway, letter: str
) -> Response:
    """Append a corrected record in the place of a letter's; the letter itself stays as it is.

    The value is checked against the schema of its type; 422 tells everything that is wrong.
    """
    body = await _read(request, EditedReplay, gateway=gateway)
    wanted = Edit(value=body.value, headers=body.headers)
    return await _put_back(body, letter, caller=caller, gateway=gateway, edit=wanted)


@router.post("/dlq/{letter}/discard", openapi_extra=body_of(Discard))
async def discard(
    *, request: Request, caller: Administrator, gateway: Gateway, letter: str
) -> Response:
    """Close a letter without doing anything else. 409 for one that is closed already."""
    body = await _read(request, Discard, gateway=gateway)
    with _log_answers():
        standing = await gateway.letters.discard(letter, by=caller, reason=body.reason)
    log.info("dead letter discarded", letter=letter, actor=caller.actor)
    actions = [telling.action_row(action) for action in standing.actions]
    return json_response({"id": letter, "state": standing.state, "actions": actions})


async def _put_back(
    body: Replay, letter: str, *, caller: Principal, gateway: Parts, edit: Edit | None
) -> Response:
    with _log_answers():
        done = await gateway.letters.replay(
            letter, by=caller, again=body.again, dry_run=body.dry_run, edit=edit
        )
    if not body.dry_run:
        log.info(
            "dead letter replayed",
            letter=done.letter.id,
            edited=edit is not None,
            replay=done.replay,
            actor=caller.actor,
        )
    groups = gateway.letters.reader.groups(done.topic)
    return json_response(telling.replayed(done, groups=groups))


async def _read(request: Request, model: type[Body], *, gateway: Parts) -> Body:
    content = await read_json(request, limit=gateway.limits.max_body_bytes)
    body, faults = checked(model, content)
    if body is None:
        raise RequestFaultsError(faults=tuple(faults))
    return body


def _wanted(query: QueryParams, reader: LetterReader) -> Wanted:
    """The filters. Raises RequestFaultsError with everything that is wrong about them."""
    topic, state, since = query.get("topic"), query.get("state"), query.get("since")
    faults = []
    known = sorted({name for dlq in reader.topics for name in (dlq, dlq.removesuffix("-dlq"))})
    if topic is not None and topic not in known:
        faults.append(("topic", f"'topic' has no dead letters; there are {', '.join(known)}"))
    if state is not None and state not in _STATES:
        faults.append(("state", f"'state' must be one of {', '.join(_STATES)}"))
    since_ms = None if since is None else _instant_ms(since)
    if since is not None and since_ms is None:
        faults.append(("since", "'since' must be a time like 2026-01-31T12:00:00Z"))
    if faults:
        told = [Fault(code="invalid_field", message=text, field=name) for name, text in faults]
        raise RequestFaultsError(faults=tuple(told))
    return Wanted(
        topic=topic,
        group=query.get("group"),
        reason=query.get("reason"),
        tenant=query.get("tenant"),
        state=next((known for known in _STATES if known == state), None),
        since_ms=since_ms,
    )


def _instant_ms(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else max(int(found.timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        return None


def _after(query: QueryParams) -> Place | None:
    cursor = query.get("cursor")
    if not cursor:
        return None
    place = parse_place(cursor)
    if place is None:
        raise RequestFaultsError(
            faults=(
                Fault(
                    code="cursor_malformed",
                    message="'cursor' is not one of this list; use next_cursor, or leave it out",
                    field="cursor",
                ),
            )
        )
    return place


@contextmanager
def _log_answers() -> Iterator[None]:
    """503 where the log does not let us read or write."""
    try:
        yield
    except (LogUnavailableError, LogAccessError, UnknownTopicError) as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
