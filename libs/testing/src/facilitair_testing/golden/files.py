"""Inboxes of the past and what ``decide`` made of them, byte for byte (R9).

A file holds one collaboration or one account: a line for each record of its inbox, with all that
followed from it.
What people and orchestrators rely on is these bytes, so a file is written once and never again.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from facilitair_events import codec
from facilitair_events.balances import AccountSnapshot, AccountState
from facilitair_events.decision import Decision, Received
from facilitair_events.layout import checkout_root
from facilitair_events.state import CollaborationSnapshot, CollaborationState
from facilitair_workflows.decide import decide

Decide = Callable[[Any, Received], Decision[Any]]

GOLDEN: Final = "libs/workflows/tests/golden"
ACCOUNTS: Final = "libs/money/tests/golden"

_SNAPSHOTS: Final[dict[type[Struct], Any]] = {
    CollaborationState: CollaborationSnapshot,
    AccountState: AccountSnapshot,
}


class Output(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record that was put out; ``to`` is where it goes, for commands and replies."""

    type: str
    data: Raw
    to: str | None = None


class Then(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What followed from a record; ``state`` is the sha256 of the snapshot, null for no state."""

    state: str | None = None
    events: tuple[Output, ...] = ()
    commands: tuple[Output, ...] = ()
    replies: tuple[Output, ...] = ()


class Line(Struct, frozen=True, kw_only=True):
    """One record of an inbox and what followed from it."""

    offset: int
    at_ms: int
    id: str
    tenant: str
    subject: str
    type: str
    data: Raw
    then: Then

    def received(self) -> Received:
        """The record as ``decide`` sees it."""
        return Received(
            tenant=self.tenant,
            subject=self.subject,
            offset=self.offset,
            at_ms=self.at_ms,
            id=self.id,
            data=codec.decode(self.type, bytes(self.data)),
        )


def folder(logic: int, *, of: str = GOLDEN) -> Path:
    """Where the inboxes of a version lie."""
    return checkout_root() / of / f"logic-{logic}"


def followed(decision: Decision[Any], *, offset: int) -> Then:
    """Everything a decision says, as bytes."""
    state = None
    if decision.state is not None:
        form = _SNAPSHOTS[type(decision.state)]
        snapshot = codec.encode(form(applied=offset, state=decision.state))
        state = hashlib.sha256(snapshot).hexdigest()
    return Then(
        state=state,
        events=tuple(_output(event) for event in decision.events),
        commands=tuple(_output(c.data, to=f"{c.topic} {c.key}") for c in decision.commands),
        replies=tuple(
            _output(r.data, to=f"{r.to.topic} {r.to.correlation}") for r in decision.replies
        ),
    )


def written(records: Iterable[Received], *, by: Decide = decide) -> bytes:
    """The file of an inbox."""
    lines, state = [], None
    for record in records:
        decision = by(state, record)
        state = decision.state
        line = Line(
            offset=record.offset,
            at_ms=record.at_ms,
            id=record.id,
            tenant=record.tenant,
            subject=record.subject,
            type=codec.type_name(record.data),
            data=Raw(codec.encode(record.data)),
            then=followed(decision, offset=record.offset),
        )
        lines.append(msgspec.json.encode(line) + b"\n")
    return b"".join(lines)


def read(path: Path) -> list[Line]:
    """The lines of a file."""
    return [msgspec.json.decode(line, type=Line) for line in path.read_bytes().splitlines()]


def differences(lines: Iterable[Line], *, by: Decide = decide) -> Iterator[str]:
    """Where ``by`` does not answer as the file says. It ends with the first record that differs."""
    state: Any = None
    for line in lines:
        try:
            decision = by(state, line.received())
        except Exception as error:  # noqa: BLE001 - whatever it raises, the file says an answer
            yield f"record {line.offset} raises {type(error).__name__}: {error}"
            return
        now = followed(decision, offset=line.offset)
        if msgspec.json.encode(now) != msgspec.json.encode(line.then):
            yield from _told(line, now)
            return
        state = decision.state


def _told(line: Line, now: Then) -> Iterator[str]:
    for part in ("events", "commands", "replies"):
        before, after = getattr(line.then, part), getattr(now, part)
        if msgspec.json.encode(before) != msgspec.json.encode(after):
            yield (
                f"record {line.offset} ({line.type}): other {part}\n"
                f"  was {msgspec.json.encode(before).decode()}\n"
                f"  now {msgspec.json.encode(after).decode()}"
            )
    if now.state != line.then.state:
        yield f"record {line.offset} ({line.type}): another state"


def _output(data: Struct, *, to: str | None = None) -> Output:
    return Output(type=codec.type_name(data), data=Raw(codec.encode(data)), to=to)
