"""Collaborations of which one record is spoiled on its way, and what has to follow."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from facilitair_events import topics
from facilitair_events.accounts import CallCharged, FundsAnswered, FundsRequested, FundsReturned
from facilitair_events.books import CallSettled, FundsReserved
from facilitair_events.collaboration import CollaborationCompleted, StepScheduled
from facilitair_events.ids import call_id, collaboration_id
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import AttemptReported, CallReported, CollaborationRequested
from facilitair_events.stream import Token
from facilitair_events.types import NAMES
from facilitair_events.work import CallClaimed, CallDone, RunAttempt
from facilitair_messaging.ports import Message
from facilitair_testing.eventually import eventually
from facilitair_testing.promises import promised
from tests.poison.kinds import KINDS, PADDING
from tests.poison.world import PATIENCE_S, World, one_partition_each

COMPLETED = ("collaboration.completed", None)
INTERNAL = ("collaboration.failed", "internal")
UNREADABLE = ("collaboration.failed", "task_unreadable")
UNAVAILABLE = ("collaboration.failed", "budget_unavailable")


class Case(NamedTuple):
    """A record that is spoiled, and the terminal event and code that follow."""

    topic: str
    data: type
    ends: tuple[str, str | None]


CASES: Mapping[str, Case] = {
    "request": Case(topics.COLLABORATION_INBOX, CollaborationRequested, INTERNAL),
    "call": Case(topics.COLLABORATION_INBOX, CallReported, INTERNAL),
    "result": Case(topics.COLLABORATION_INBOX, AttemptReported, INTERNAL),
    "task": Case(topics.AGENT_TASKS, RunAttempt, UNREADABLE),
    "claim": Case(topics.LLM_CALLS, CallClaimed, COMPLETED),
    "done": Case(topics.LLM_CALLS, CallDone, COMPLETED),
    "event": Case(topics.COLLABORATION_EVENTS, StepScheduled, COMPLETED),
    "copy": Case(topics.COLLABORATION_STREAM, StepScheduled, COMPLETED),
    "end": Case(topics.COLLABORATION_STREAM, CollaborationCompleted, COMPLETED),
    "token": Case(topics.COLLABORATION_STREAM, Token, COMPLETED),
    "reply": Case(topics.QUERY_REPLIES, RequestAnswered, COMPLETED),
    "grant": Case(topics.COLLABORATION_INBOX, FundsAnswered, INTERNAL),
    "charge": Case(topics.ACCOUNT_REQUESTS, CallCharged, COMPLETED),
    "return": Case(topics.ACCOUNT_REQUESTS, FundsReturned, COMPLETED),
    "reserve": Case(topics.ACCOUNT_EVENTS, FundsReserved, COMPLETED),
    "entry": Case(topics.ACCOUNT_EVENTS, CallSettled, COMPLETED),
}
PATIENT: Mapping[str, Case] = {
    "funds": Case(topics.ACCOUNT_REQUESTS, FundsRequested, UNAVAILABLE),
}
"""Whose collaboration waits for its deadline: two minutes."""

ALL = {**CASES, **PATIENT}
SPECS = one_partition_each()


def cells_of(cases: Mapping[str, Case]) -> list[tuple[str, str]]:
    """Every case with every kind that is poison to it."""
    return [
        (name, kind)
        for name, case in cases.items()
        for kind in KINDS
        if kind != "raw-newline" or case.topic == topics.COLLABORATION_STREAM
        if kind != "900-kb" or SPECS[case.topic].max_record_bytes > PADDING
        # A kind that the gateway does not know may be that of a newer version: it is passed on,
        # and whether it is the last one only its reader can tell.
        if (name, kind) != ("end", "unknown-type")
    ]


CELLS = cells_of(CASES)
SKIPPED_COPY = {"not-json", "missing-headers", "wrong-tenant", "raw-newline"}


class Outcome(NamedTuple):
    """What became of a collaboration, in the log and for who watched it."""

    collaboration: str
    submitted: dict[str, Any]
    spoiled: Message
    end: tuple[str, dict[str, Any]]
    frames: list[tuple[str, str, Any]]


async def run(world: World, case: Case, kind: str) -> Outcome:
    """Ask for a collaboration and spoil one record of it."""
    key = str(uuid.uuid4())
    ident = collaboration_id("local", key)
    name = NAMES[case.data].encode()

    def wanted(message: Message) -> bool:
        return message.topic == case.topic and dict(message.headers).get("ce_type") == name

    world.spoil(ident, wanted=wanted, change=KINDS[kind])
    submitted = await world.submit(key)
    end = await world.end(ident)
    frames = await world.watch(ident)
    # Nobody waits for some of them, as for what is told of a call that is over.
    await eventually(lambda: ident in world.spoiled, timeout_s=PATIENCE_S, what="the record")
    return Outcome(ident, submitted, world.spoiled[ident], end, frames)


async def run_all(world: World, cells) -> dict[tuple[str, str], Outcome | BaseException]:
    """Run cells at the same time; what a cell raised is its outcome."""
    runs = (run(world, ALL[name], kind) for name, kind in cells)
    return dict(zip(cells, await asyncio.gather(*runs, return_exceptions=True), strict=True))


async def check(world, outcome, *, name, kind):
    """Everything that has to follow from one spoiled record."""
    ends = ALL[name].ends
    terminal, value = outcome.end
    with promised("poison is accounted for"):
        assert (terminal, value.get("fault", {}).get("code")) == ends
        await _check_letter(world, outcome)
        await _check_money(world, outcome, name)
    await _check_view(world, outcome, name, skipped=kind in SKIPPED_COPY)
    world.check_alive()


async def _check_letter(world, outcome):
    """Exactly one, where a group reads; its collaboration is told in words that hold no payload."""
    topic, value = outcome.spoiled.topic, outcome.spoiled.value
    (offset,) = [
        record.offset
        for record in await world.records(topic)
        if (record.value, record.headers) == (value, outcome.spoiled.headers)
        and record.key == outcome.spoiled.key
    ]
    if SPECS[topic].dead_letters:
        # An account reads on behind the end of its collaboration.
        letters = await eventually(
            lambda: world.letters(topic, offset), timeout_s=PATIENCE_S, what="a dead letter"
        )
        assert len(letters) == len(SPECS[topic].consumers)
        assert "not json" not in outcome.end[1].get("fault", {}).get("message", "")


async def _check_money(world, outcome, name):
    """One call at most, and none where nobody could read the request, its task or its grant."""
    ident = outcome.collaboration
    possible = [f"local/{call_id('local', ident, 'assistant', 1, index)}" for index in range(5)]
    made = [call for call in world.model.calls if call in possible]
    assert len(made) == (0 if name in {"request", "task", "grant", "funds"} else 1)


async def _check_view(world, outcome, name, *, skipped):
    """Who watches is never left waiting: a hole is told, and who resumes goes on behind it."""
    ident, event, data = outcome.frames[-1]
    if skipped and name in {"copy", "end"}:
        assert (event, data["reason"]) == ("gap", "events_missing")
    resumed = 0
    while event == "gap" and name != "end" and (resumed := resumed + 1) < 4:
        ident, event, _ = (await world.watch(outcome.collaboration, cursor=ident))[-1]
    assert event == outcome.end[0] or name == "end"
