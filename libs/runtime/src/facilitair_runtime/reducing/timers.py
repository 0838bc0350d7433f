"""Waking keys up: a heap over the timers of the states, written to the inbox when they are due.

The clock here only says when to write. Whether a timer is due, ``decide`` tells by the log's time.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

import structlog
from msgspec import Struct

from facilitair_events.envelope import Envelope
from facilitair_events.state import Timer
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.ports import TopicPartition

_log = structlog.get_logger()

_LONGEST_SLEEP_S: Final = 30.0
"""The loop's clock stands still while the machine sleeps; so look again now and then."""

_SLACK: Final = 64
"""Entries of timers that were dropped are left in the heap until they are more than this."""

_NOT_AGAIN: Final = -1
_FIRST_BACKOFF_MS: Final = 50
_LONGEST_BACKOFF_MS: Final = 60_000

ClockMs = Callable[[], int]


class Alarm(Struct, frozen=True):
    """A timer of a key, with what its record continues."""

    tp: TopicPartition
    key: str
    timer: Timer
    context: Envelope


class _Armed(Struct):
    alarm: Alarm
    wake_ms: int
    written: int = 0


class _Place(NamedTuple):
    tp: TopicPartition
    key: str
    timer_id: str


Fire = Callable[[list[Alarm]], Awaitable[None]]


class Timers:
    """The timers of all keys that are held here."""

    def __init__(self, *, clock_ms: ClockMs, fire: Fire, attempts: int) -> None:
        self._clock_ms = clock_ms
        self._fire = fire
        self._attempts = attempts
        self._armed: dict[_Place, _Armed] = {}
        self._of_key: dict[tuple[TopicPartition, str], frozenset[str]] = {}
        self._heap: list[tuple[int, _Place]] = []
        self._changed = asyncio.Event()

    def arm(
        self, tp: TopicPartition, key: str, *, timers: Iterable[Timer], context: Envelope
    ) -> None:
        """Hold exactly these timers for a key; those that it had already go on."""
        wanted = {timer.timer_id: timer for timer in timers}
        held = self._of_key.pop((tp, key), frozenset())
        for timer_id in held - wanted.keys():
            del self._armed[_Place(tp, key, timer_id)]
        for timer_id in wanted.keys() - held:
            timer = wanted[timer_id]
            place = _Place(tp, key, timer_id)
            self._armed[place] = _Armed(Alarm(tp, key, timer, context), timer.due_ms)
            self._push(place, timer.due_ms)
        if wanted:
            self._of_key[tp, key] = frozenset(wanted)

    def read(self, tp: TopicPartition, key: str, *, timer_id: str, at_ms: int) -> None:
        """A ``TimerFired`` was read at log time ``at_ms``; if its timer is still held, try later.

        It came early by the log's time, or while the key was parked.
        """
        place = _Place(tp, key, timer_id)
        armed = self._armed.get(place)
        if armed is None:
            return
        backoff = min(_FIRST_BACKOFF_MS << min(armed.written, 16), _LONGEST_BACKOFF_MS)
        early_by = armed.alarm.timer.due_ms - at_ms
        armed.wake_ms = self._clock_ms() + max(early_by, backoff)
        self._push(place, armed.wake_ms)

    def drop(self, tp: TopicPartition) -> None:
        """Forget a partition that is not ours any more."""
        for owner, key in [place for place in self._of_key if place[0] == tp]:
            for timer_id in self._of_key.pop((owner, key)):
                del self._armed[_Place(tp, key, timer_id)]

    async def run(self) -> None:
        """Sleep until the next is due, write what is due, for ever.

        Raises ProduceUnknownError when the log does not answer several times in a row.
        """
        failures = 0
        while True:
            self._changed.clear()
            due = self._take_due()
            if not due:
                await self._sleep()
                continue
            try:
                await self._fire([armed.alarm for armed in due])
                failures = 0
            except ProduceUnknownError as error:
                failures += 1
                if failures >= self._attempts:
                    raise
                _log.warning("timers written again", attempt=failures, reason=str(error))
                self._again(due)

    def _again(self, due: list[_Armed]) -> None:
        """Write them once more, a little later: a second ``TimerFired`` changes nothing."""
        for armed in due:
            alarm = armed.alarm
            place = _Place(alarm.tp, alarm.key, alarm.timer.timer_id)
            armed.wake_ms = self._clock_ms() + _FIRST_BACKOFF_MS
            self._push(place, armed.wake_ms)

    def _take_due(self) -> list[_Armed]:
        now = self._clock_ms()
        due = []
        while self._heap and self._heap[0][0] <= now:
            wake_ms, place = heapq.heappop(self._heap)
            armed = self._armed.get(place)
            if armed is not None and armed.wake_ms == wake_ms:
                armed.wake_ms = _NOT_AGAIN
                armed.written += 1
                due.append(armed)
        return due

    async def _sleep(self) -> None:
        if not self._heap:
            await self._changed.wait()
            return
        delay_s = (self._heap[0][0] - self._clock_ms()) / 1000
        try:
            async with asyncio.timeout(min(max(delay_s, 0.0), _LONGEST_SLEEP_S)):
                await self._changed.wait()
        except TimeoutError:
            return

    def _push(self, place: _Place, wake_ms: int) -> None:
        if len(self._heap) > 2 * len(self._armed) + _SLACK:
            self._heap = [
                (armed.wake_ms, at)
                for at, armed in self._armed.items()
                if at != place and armed.wake_ms != _NOT_AGAIN
            ]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (wake_ms, place))
        if self._heap[0][1] == place:
            self._changed.set()
