"""What the inbox of a collaboration leads to: its records folded again by the chassis's own code.

Deciding is pure (R6), so the same records give the same bytes, for ever. A request whose definition
is an artifact that the history does not hold cannot be replayed, nor can one of a newer ``logic``.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from facilitair_events import topics
from facilitair_events.definitions import Definition
from facilitair_events.requests import CollaborationRequested
from facilitair_events.state import CollaborationSnapshot
from facilitair_events.types import NAMES
from facilitair_messaging.errors import PermanentError, UnreadableRecordError
from facilitair_messaging.messages import Incoming, read
from facilitair_messaging.ports import Message, Record
from facilitair_runtime.errors import ForeignKeyError, LogicTooNewError
from facilitair_runtime.keyed_reducer import Reducer
from facilitair_runtime.reducing.deciding import Case, Decider, Effect, Outcome, admits, received
from facilitair_runtime.reducing.states import KeyState, Standing, snapshot
from facilitair_testing.history.entries import Entry
from facilitair_workflows.decide import KNOWN_LOGIC, decide, logic_of, timers

REDUCER: Final = Reducer(
    service="orchestrator",
    inbox=topics.COLLABORATION_INBOX,
    state_topic=topics.COLLABORATION_STATE,
    events_topic=topics.COLLABORATION_EVENTS,
    stream_topic=topics.COLLABORATION_STREAM,
    decide=decide,
    snapshot_type=CollaborationSnapshot,
    timers=timers,
    known_logic=KNOWN_LOGIC,
    logic_of=logic_of,
    logic_of_state=lambda state: state.logic,
    first_types=frozenset({NAMES[CollaborationRequested]}),
)
"""The reducer as the orchestrator composes it; a test compares the two."""

_NO_LIMITS: Final = dict.fromkeys(topics.TOPICS, sys.maxsize)
_definition: Final = msgspec.json.Decoder(Definition)

Held = KeyState[Any]


class DefinitionUnreadableError(PermanentError):
    """An artifact holds no definition; the orchestrator parks the collaboration then."""


class UnknowableError(Exception):
    """A record cannot be replayed from what the history holds."""


class Expected(Struct, frozen=True):
    """A record that has to be written because of the inbox record at ``offset``."""

    offset: int
    message: Message


class Replay(Struct):
    """What the records of one key lead to.

    ``effects`` are by offset, ``states`` those after each applied record, by its offset.
    ``parked`` are the records that the collaboration stopped at, ``released`` those where it did
    and left no trace, ``rejected`` those that have to be dead-lettered.
    ``whole`` says that every record could be replayed; the rest is true up to there.
    """

    effects: dict[int, Effect] = {}
    states: dict[int, Held] = {}
    first: list[Expected] = []
    second: list[Expected] = []
    parked: list[Entry] = []
    released: list[Entry] = []
    rejected: list[Entry] = []
    whole: bool = True

    def state_message(
        self, applied: int, *, key: str, reducer: Reducer[Any] = REDUCER
    ) -> Message | None:
        """The snapshot that covers ``applied``, if the key has a state there."""
        held = self.states.get(applied)
        return None if held is None else snapshot(reducer, held, key=key)


class Fold:
    """Where one key stands after the records that were taken so far."""

    def __init__(
        self,
        key: str,
        *,
        blobs: Mapping[str, bytes],
        limits: Mapping[str, int] | None = None,
        reducer: Reducer[Any] = REDUCER,
    ) -> None:
        self._decider: Decider[Any] = Decider(reducer, limits=limits or _NO_LIMITS)
        self._key = key
        self._blobs = blobs
        self.standing: Standing[Any] = Standing()

    def take(self, record: Record) -> Outcome:
        """What follows from the next record, as the chassis decides it.

        Raises UnknowableError, and LogicTooNewError for a record of a newer version.
        """
        outcome = self._outcome(record)
        self.standing = outcome.standing
        return outcome

    def _outcome(self, record: Record) -> Outcome:
        standing, decider = self.standing, self._decider
        try:
            incoming = read(record)
        except UnreadableRecordError as error:
            return decider.unreadable(standing, record, key=self._key, error=error)
        if not admits(standing, incoming):
            return Outcome(standing=standing, effect="none")
        case = Case(seen=received(incoming), cause=incoming.envelope, key=self._key)
        try:
            decider.check(case)
        except ForeignKeyError as error:
            return decider.unreadable(standing, record, key=self._key, error=error)
        try:
            case = _prepared(case, incoming, blobs=self._blobs)
        except DefinitionUnreadableError as error:
            return decider.poisoned(standing, case, error=error)
        return decider.decided(standing, case)


def replay(
    entries: Iterable[Entry],
    *,
    key: str,
    blobs: Mapping[str, bytes],
    limits: Mapping[str, int] | None = None,
    reducer: Reducer[Any] = REDUCER,
) -> Replay:
    """Fold the records of one key, in the order of its partition."""
    fold = Fold(key, blobs=blobs, limits=limits, reducer=reducer)
    found = Replay()
    for entry in entries:
        try:
            outcome = fold.take(entry.record)
        except (UnknowableError, LogicTooNewError):
            found.whole = False
            return found
        _note(found, entry, outcome=outcome)
    return found


def _note(found: Replay, entry: Entry, *, outcome: Outcome) -> None:
    offset = entry.offset
    found.effects[offset] = outcome.effect
    found.first += [Expected(offset, m) for m in outcome.outputs.first]
    found.second += [Expected(offset, m) for m in outcome.outputs.second]
    if outcome.error is not None:
        found.rejected.append(entry)
    if outcome.effect == "parked":
        found.parked.append(entry)
    elif outcome.effect == "released":
        found.released += [*found.parked, entry]
        found.parked.clear()
    elif outcome.effect == "applied" and outcome.standing.held is not None:
        found.states[offset] = outcome.standing.held


def _prepared(case: Case, incoming: Incoming, *, blobs: Mapping[str, bytes]) -> Case:
    """Put a definition that is an artifact into its request, as the orchestrator does (R10)."""
    data = incoming.data
    if not isinstance(data, CollaborationRequested) or data.definition_artifact is None:
        return case
    if data.definition is not None:
        return case
    content = blobs.get(data.definition_artifact.sha256)
    if content is None:
        raise UnknowableError
    try:
        definition = _definition.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DefinitionUnreadableError from error
    seen = replace(case.seen, data=replace(data, definition=definition))
    return replace(case, seen=seen)
