"""When a service counts as wedged, and how long its records may stand still. Pure (D12).

All times are seconds of one monotonic clock, which the caller reads.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from facilitair_messaging.ports import TopicPartition

LOOP_SILENT: Final = "loop_silent"
NO_PROGRESS: Final = "no_progress"


class Limits(Struct, frozen=True, kw_only=True):
    """``silent_s``: until a loop that does not move is dead. ``stuck_s``: until records are."""

    silent_s: float = 5.0
    stuck_s: float = 60.0


class Beat(Struct, frozen=True, kw_only=True):
    """When a loop moved last; None for one that has not begun, which is no fault of its own."""

    loop: str
    moved_at: float | None


class Failing(Struct, frozen=True, kw_only=True):
    """A condition that does not hold, since when, and what that means."""

    condition: str
    since: float
    detail: str


class Place(Struct, frozen=True, kw_only=True):
    """Where a reader of a partition is, and where the partition ends."""

    position: int
    end: int


class Backlog(Struct, frozen=True, kw_only=True):
    """What waits in one partition, and since when none of it was finished."""

    tp: TopicPartition
    place: Place
    since: float


def measured(
    before: Iterable[Backlog], places: Mapping[TopicPartition, Place], *, now: float
) -> tuple[Backlog, ...]:
    """The backlogs after a look: a partition that moved, or is new here, begins to wait now."""
    known = {backlog.tp: backlog for backlog in before}
    found = []
    for tp, place in places.items():
        if place.position >= place.end:
            continue
        old = known.get(tp)
        stands = old is not None and old.place.position == place.position
        since = old.since if old is not None and stands else now
        found.append(Backlog(tp=tp, place=place, since=since))
    return tuple(found)


def not_live(
    beats: Iterable[Beat], backlogs: Iterable[Backlog], *, now: float, limits: Limits
) -> tuple[Failing, ...]:
    """Why a service is wedged; empty for one that lives.

    A loop has to move, and where records wait one has to be finished now and then. However many
    wait is no fault.
    """
    silent = [
        Failing(
            condition=LOOP_SILENT,
            since=beat.moved_at,
            detail=f"the loop of {beat.loop} has not moved for {now - beat.moved_at:.0f} s",
        )
        for beat in beats
        if beat.moved_at is not None and now - beat.moved_at >= limits.silent_s
    ]
    stuck = [
        Failing(
            condition=NO_PROGRESS,
            since=backlog.since,
            detail=(
                f"{backlog.place.end - backlog.place.position} records wait in {backlog.tp.topic}"
                f"[{backlog.tp.partition}] and none was finished for {now - backlog.since:.0f} s"
            ),
        )
        for backlog in backlogs
        if now - backlog.since >= limits.stuck_s
    ]
    return (*silent, *stuck)
