"""One record of one key: what stands after it, and what has to be written before that counts."""

from collections.abc import Mapping
from typing import Any, Generic, Literal

from msgspec import Struct, structs

from facilitair_events.decision import Decision, Received
from facilitair_events.envelope import Envelope
from facilitair_events.requests import Parked
from facilitair_messaging.messages import Incoming
from facilitair_messaging.ports import Message, Record
from facilitair_runtime.errors import ForeignKeyError, LogicTooNewError, OversizeError
from facilitair_runtime.reducing.config import Reducer, S
from facilitair_runtime.reducing.firsts import context_of, may_be_first, parked_message
from facilitair_runtime.reducing.outputs import Outputs, check_decision, outputs_of
from facilitair_runtime.reducing.states import KeyState, Standing, with_offset

Effect = Literal["none", "applied", "parked", "released"]


class Outcome(Struct, frozen=True, kw_only=True):
    """What follows from one record.

    ``none``: nothing that a replay would miss. ``applied``: the state moved. ``parked``: the key
    stands still until ``Parked`` is read. ``released``: ``Parked`` was read and left no trace.
    ``error`` is why the record has to be dead-lettered.
    """

    standing: Standing[Any]
    effect: Effect
    outputs: Outputs = Outputs()
    error: Exception | None = None


class Case(Struct, frozen=True, kw_only=True):
    """An admitted record: what ``decide`` sees, the envelope to continue, and the record's key."""

    seen: Received
    cause: Envelope
    key: str


def received(incoming: Incoming) -> Received:
    """What ``decide`` sees of a record."""
    record, envelope = incoming.record, incoming.envelope
    return Received(
        tenant=envelope.tenant,
        subject=envelope.subject,
        offset=record.offset,
        at_ms=record.timestamp_ms,
        id=envelope.id,
        data=incoming.data,
    )


def admits(standing: Standing[S], incoming: Incoming) -> bool:
    """Whether a record is to be decided: not twice (R11), and not while the key is parked (R13).

    A parked key waits for the ``Parked`` that names the record it raised on.
    """
    if standing.held is not None and incoming.record.offset <= standing.held.applied:
        return False
    data = incoming.data
    if standing.parked is None:
        return True
    return isinstance(data, Parked) and data.offset == standing.parked


class Decider(Generic[S]):
    """Decides records for keys; it remembers nothing. ``limits``: largest record of each topic."""

    def __init__(self, reducer: Reducer[S], *, limits: Mapping[str, int]) -> None:
        self._reducer = reducer
        self._limits = limits

    def check(self, case: Case) -> None:
        """Raises ForeignKeyError, or LogicTooNewError, which stops the process (R9)."""
        expected = self._reducer.key_of(case.seen)
        if expected != case.key:
            raise ForeignKeyError(key=case.key, expected=expected)
        logic = self._reducer.logic_of(case.seen)
        if logic is not None and logic > self._reducer.known_logic:
            raise LogicTooNewError(logic=logic, known=self._reducer.known_logic)

    def decided(self, standing: Standing[S], case: Case) -> Outcome:
        """Decide one admitted record; what ``decide`` raises parks the key.

        Raises only what is ``fatal``: that depends on the process, so nothing may follow from it.
        """
        held = standing.held
        before = None if held is None else held.state
        try:
            decision, outputs = self._fitting(before, case)
        except self._reducer.fatal:
            raise
        except Exception as error:  # noqa: BLE001 - R13: whatever it is, it parks this key alone
            return self.poisoned(standing, case, error=error)
        if decision.state is None or (
            decision.state == before and not decision.events and not decision.commands
        ):
            return Outcome(standing=Standing(held), effect=_traceless(standing), outputs=outputs)
        after = KeyState(
            applied=case.seen.offset,
            state=decision.state,
            offsets=self._offsets(held, case.seen.offset),
            context=case.cause if held is None else held.context,
            cause=case.cause.id,
        )
        return Outcome(standing=Standing(after), effect="applied", outputs=outputs)

    def _offsets(self, held: KeyState[S] | None, offset: int) -> tuple[int, ...]:
        if not self._reducer.keeps_offsets:
            return ()
        return with_offset(() if held is None else held.offsets, offset)

    def poisoned(self, standing: Standing[S], case: Case, *, error: Exception) -> Outcome:
        """Park the key at a record, or let it go on when it was ``Parked`` itself that raised."""
        held, seen = standing.held, case.seen
        if isinstance(seen.data, Parked):
            return Outcome(standing=Standing(held), effect=_traceless(standing), error=error)
        data = Parked(
            offset=seen.offset,
            reason=f"{type(error).__name__} on the record at offset {seen.offset}",
        )
        if self._reducer.skips_poison:
            return self._skipped(standing, case, data=data, error=error)
        parked = self._parked(data, key=case.key, cause=case.cause, at_ms=seen.at_ms)
        return Outcome(
            standing=Standing(held, parked=seen.offset),
            effect="parked",
            outputs=Outputs(second=(parked,)),
            error=error,
        )

    def unreadable(
        self, standing: Standing[S], record: Record, *, key: str, error: Exception
    ) -> Outcome:
        """A record that cannot be decoded, or is not of its key, ends what waits for it.

        A key without a state has nothing that could fail, unless this might have been its first
        record. For a key that is parked already ``Parked`` is written again: it may have been that.
        """
        held = standing.held
        if held is not None and record.offset <= held.applied:
            return Outcome(standing=standing, effect="none")
        if standing.parked is not None:
            again = self._parked_at(standing.parked, record, standing=standing, key=key)
            return Outcome(standing=standing, effect="none", outputs=again, error=error)
        if self._reducer.skips_poison:
            return self._unreadable_skipped(standing, record, key=key, error=error)
        if held is None and not may_be_first(self._reducer, record, key=key):
            return Outcome(standing=standing, effect="none", error=error)
        return Outcome(
            standing=Standing(held, parked=record.offset),
            effect="parked",
            outputs=self._parked_at(record.offset, record, standing=standing, key=key),
            error=error,
        )

    def _unreadable_skipped(
        self, standing: Standing[S], record: Record, *, key: str, error: Exception
    ) -> Outcome:
        """A key that holds nothing has no books to tell of it."""
        if standing.held is None:
            return Outcome(standing=standing, effect="none", error=error)
        cause = context_of(self._reducer, record, key=key)
        data = Parked(offset=record.offset, reason=f"unreadable record at offset {record.offset}")
        seen = Received(
            tenant=cause.tenant,
            subject=cause.subject,
            offset=record.offset,
            at_ms=record.timestamp_ms,
            id=cause.id,
            data=data,
        )
        case = Case(seen=seen, cause=cause, key=key)
        return self._skipped(standing, case, data=data, error=error)

    def _skipped(
        self, standing: Standing[S], case: Case, *, data: Parked, error: Exception
    ) -> Outcome:
        """Decide ``Parked`` in place of a record: every record after it is decided as ever."""
        instead = structs.replace(case, seen=structs.replace(case.seen, data=data))
        return structs.replace(self.decided(standing, instead), error=error)

    def _parked_at(
        self, offset: int, record: Record, *, standing: Standing[S], key: str
    ) -> Outputs:
        held = standing.held
        cause = context_of(self._reducer, record, key=key) if held is None else held.context
        data = Parked(offset=offset, reason=f"unreadable record at offset {offset}")
        return Outputs(
            second=(self._parked(data, key=key, cause=cause, at_ms=record.timestamp_ms),)
        )

    def _parked(self, data: Parked, *, key: str, cause: Envelope, at_ms: int) -> Message:
        return parked_message(self._reducer, data, key=key, cause=cause, at_ms=at_ms)

    def _fitting(self, before: S | None, case: Case) -> tuple[Decision[S], Outputs]:
        """Decide, and where the decision would not fit, decide ``Parked`` in its place (R8)."""
        try:
            return self._once(before, case)
        except OversizeError as error:
            if isinstance(case.seen.data, Parked):
                raise
            data = Parked(offset=case.seen.offset, reason=error.reason)
            instead = structs.replace(case, seen=structs.replace(case.seen, data=data))
            return self._once(before, instead)

    def _once(self, before: S | None, case: Case) -> tuple[Decision[S], Outputs]:
        reducer = self._reducer
        decision = reducer.decide(before, case.seen)
        check_decision(reducer, decision, before=before)
        outputs = outputs_of(
            reducer,
            decision,
            key=case.key,
            cause=case.cause,
            at_ms=case.seen.at_ms,
            limits=self._limits,
        )
        return decision, outputs


def _traceless(standing: Standing[S]) -> Effect:
    """What a record did that left the state as it was."""
    return "none" if standing.parked is None else "released"
