"""What a service knows of its own health, and the look from outside at how far it is (D12)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from msgspec import Struct

from facilitair_messaging.errors import MessagingError
from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.liveness import Backlog, Beat, Failing, Limits, Place, measured, not_live
from facilitair_runtime.writable import Writable

_log = structlog.get_logger()

NOT_WRITABLE: Final = "not_writable"

Places = Callable[[], Awaitable[Mapping[TopicPartition, Place]]]
"""Asks the log where this service is and where its partitions end; raises what the log does."""


class Check(Struct, frozen=True, kw_only=True):
    """A condition of readiness, in words for who reads that it does not hold."""

    condition: str
    holds: Callable[[], bool]
    detail: str


class Vitals:
    """The health of one service. It costs nothing but a look every ``look_s`` while ``run`` runs.

    ``beats`` are its loops, ``checks`` what it needs to be of use, ``places`` its partitions.
    ``excused`` says that standing still is right: nothing may be taken up now.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        look_s: float,
        beats: Callable[[], tuple[Beat, ...]],
        checks: tuple[Check, ...],
        places: Places,
        writable: Writable,
        excused: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._look_s = look_s
        self._beats = beats
        self._checks = checks
        self._places = places
        self._writable = writable
        self._excused = excused
        self._clock = clock
        self._backlogs: tuple[Backlog, ...] = ()
        self._since: dict[str, float] = {}

    def not_live(self) -> tuple[Failing, ...]:
        """Why it has to be started again; empty while it lives."""
        return not_live(self._beats(), self._backlogs, now=self._clock(), limits=self._limits)

    def not_ready(self) -> tuple[Failing, ...]:
        """Why nothing should be sent to it; empty when it is ready. Lag is no reason."""
        now = self._clock()
        failing = []
        for check in self._checks:
            if check.holds():
                self._since.pop(check.condition, None)
                continue
            since = self._since.setdefault(check.condition, now)
            failing.append(Failing(condition=check.condition, since=since, detail=check.detail))
        since_unwritable = self._writable.failing_since
        if since_unwritable is not None:
            detail = "the log does not answer: what is sent there may be lost"
            failing.append(Failing(condition=NOT_WRITABLE, since=since_unwritable, detail=detail))
        return tuple(failing)

    def age_s(self, failing: Failing) -> float:
        """How long a condition has been failing."""
        return self._clock() - failing.since

    async def run(self) -> None:
        """Look every ``look_s``, until cancelled."""
        while True:
            await asyncio.sleep(self._look_s)
            await self.look()
            self.not_ready()

    async def look(self) -> None:
        """Measure what waits, by the log's word.

        While the log does not answer, nobody can tell what waits, so standing still is no fault
        then: what it was before the outage does not count after it either.
        """
        began = self._clock()
        try:
            async with asyncio.timeout(self._look_s):
                places = await self._places()
        except (MessagingError, TimeoutError, OSError) as error:
            self._backlogs = ()
            self._writable.failed()
            _log.warning("lag not known", reason=str(error) or type(error).__name__)
            return
        self._writable.answered(began=began)
        before = () if self._excused() else self._backlogs
        self._backlogs = measured(before, places, now=self._clock())
