"""Records that are decided, written and remembered together, all or none (R4, R7)."""

import traceback
from collections.abc import Iterator, Mapping
from typing import Generic

import structlog
from msgspec import Struct, structs

from facilitair_events.envelope import header
from facilitair_events.requests import TimerFired
from facilitair_messaging.crash_points import crash_point
from facilitair_messaging.dead_letters import Failure, dead_letter
from facilitair_messaging.errors import (
    PermanentError,
    RejectionLimitError,
    UnreadableRecordError,
)
from facilitair_messaging.messages import read
from facilitair_messaging.ports import Message, Producer, Record
from facilitair_runtime.errors import ForeignKeyError, PoisonRecordError
from facilitair_runtime.reducing.config import Reducer, S
from facilitair_runtime.reducing.deciding import Case, Decider, Outcome, admits, received
from facilitair_runtime.reducing.partitions import Partition, Slot
from facilitair_runtime.reducing.states import Standing
from facilitair_runtime.reducing.writing import send_surely

_log = structlog.get_logger()


class Step(Struct, frozen=True):
    """A record and what follows from it."""

    record: Record
    outcome: Outcome
    timer: str | None = None


class Batch(Generic[S]):
    """Folds records over what is remembered, without touching it before all is written."""

    def __init__(self, reducer: Reducer[S], *, limits: Mapping[str, int]) -> None:
        self._reducer = reducer
        self._decider = Decider(reducer, limits=limits)
        self._standings: dict[tuple[Partition[S], str], Standing[S]] = {}
        self.steps: list[tuple[Partition[S], Step]] = []

    async def decide(self, partition: Partition[S], record: Record) -> None:
        """Fold one record.

        Raises what stops the process: a newer logic, a fatal error, what ``prepare`` cannot load
        now, or RejectionLimitError when too much of a partition is rejected.
        """
        place = (partition, key_text(record))
        standing = self._standings.get(place)
        if standing is None:
            standing = partition.standing(place[1])
        step = await self._step(standing, record)
        self._standings[place] = step.outcome.standing
        self._count(partition, step)
        self.steps.append((partition, step))

    async def write(self, producer: Producer, *, attempts: int) -> None:
        """Write both stages; when the fate of a stage is unknown, write all of it again.

        The records are those that deciding again would give, byte for byte: readers drop what they
        have by its seq. Raises ProduceUnknownError after ``attempts``.
        """
        letters = [self._letter(step) for _, step in self.steps if step.outcome.error is not None]
        first = [m for _, step in self.steps for m in step.outcome.outputs.first] + letters
        second = [m for _, step in self.steps for m in step.outcome.outputs.second]
        if any(step.outcome.outputs.replies for _, step in self.steps):
            crash_point("before_reply")
        await send_surely(
            producer,
            first,
            second,
            attempts=attempts,
            what="batch",
            reached=("after_events_acked", "after_commands_acked"),
        )

    def remember(self) -> None:
        """All is acked: move what is remembered."""
        for partition, step in self.steps:
            record, outcome = step.record, step.outcome
            partition.position = record.offset + 1
            if outcome.effect == "none":
                continue
            slot = partition.slot(key_text(record))
            slot.packed = None
            slot.standing = outcome.standing
            if outcome.effect == "released":
                slot.release()
            else:
                slot.uncovered.append(record.offset)
            if slot.uncovered:
                partition.open[slot.key] = slot
            else:
                partition.open.pop(slot.key, None)

    def tell(self) -> None:
        """One line for each record that changed something; questions and repeats say nothing."""
        for _, step in self.steps:
            record = step.record
            if step.outcome.effect != "none":
                _log.info(
                    "record decided",
                    type=_told(record, "ce_type"),
                    tenant=_told(record, "tenant"),
                    subject=_told(record, "ce_subject"),
                    correlation=_told(record, "correlation"),
                    partition=record.partition,
                    offset=record.offset,
                    effect=step.outcome.effect,
                )

    def moved(self) -> Iterator[tuple[Partition[S], Slot[S]]]:
        """The keys whose state moved, after ``remember``; a key may come more than once."""
        for partition, step in self.steps:
            if step.outcome.effect == "applied":
                yield partition, partition.slots[key_text(step.record)]

    def timers_read(self) -> Iterator[tuple[Partition[S], str, str, int]]:
        """Partition, key, timer id and log time of each ``TimerFired`` that was read."""
        for partition, step in self.steps:
            if step.timer is not None:
                record = step.record
                yield partition, key_text(record), step.timer, record.timestamp_ms

    async def _step(self, standing: Standing[S], record: Record) -> Step:
        key = key_text(record)
        try:
            incoming = read(record)
        except UnreadableRecordError as error:
            return Step(record, self._decider.unreadable(standing, record, key=key, error=error))
        crash_point("after_decode")
        timer = incoming.data.timer_id if isinstance(incoming.data, TimerFired) else None
        if not admits(standing, incoming):
            return Step(record, Outcome(standing=standing, effect="none"), timer)
        case = Case(seen=received(incoming), cause=incoming.envelope, key=key)
        try:
            self._decider.check(case)
        except ForeignKeyError as error:
            outcome = self._decider.unreadable(standing, record, key=key, error=error)
            return Step(record, outcome, timer)
        return Step(record, await self._admitted(standing, case), timer)

    async def _admitted(self, standing: Standing[S], case: Case) -> Outcome:
        if self._reducer.prepare is not None:
            try:
                seen = await self._reducer.prepare(case.seen)
            except PermanentError as error:
                return self._decider.poisoned(standing, case, error=error)
            case = structs.replace(case, seen=seen)
        outcome = self._decider.decided(standing, case)
        crash_point("after_decide")
        return outcome

    def _count(self, partition: Partition[S], step: Step) -> None:
        error = step.outcome.error
        if error is None:
            partition.rejections.accept()
            return
        record = step.record
        _log.error(
            "record rejected",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            effect=step.outcome.effect,
            error=type(error).__name__,
            raised_at=_raised_at(error),
        )
        reason = partition.rejections.reject()
        if reason is not None:
            raise RejectionLimitError(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=type(error).__name__,
                reason=reason,
            ) from error

    def _letter(self, step: Step) -> Message:
        record, error = step.record, step.outcome.error
        told = error if isinstance(error, UnreadableRecordError | ForeignKeyError) else None
        failure = Failure(
            error=told
            or PoisonRecordError(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=type(error).__name__,
            ),
            attempts=1,
            first_failed_at_ms=record.timestamp_ms,
            raised=type(error).__name__,
        )
        service = self._reducer.service
        return dead_letter(record, failure, service=service, group=service)


def _raised_at(error: Exception) -> str:
    """File and line that raised. Not the message and no locals: they may hold what users wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _told(record: Record, name: str) -> str:
    return (header(record.headers, name) or b"").decode(errors="backslashreplace")


def key_text(record: Record) -> str:
    """The key of a record as text; a key that is none leads to no state."""
    return (record.key or b"").decode(errors="backslashreplace")
