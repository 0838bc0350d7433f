"""What a service says of itself, and what it learns from the log about how far it is."""

import asyncio

import pytest

from facilitair_messaging.errors import MessagingError, ProduceUnknownError, RecordRefusedError
from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.liveness import Limits, Place
from facilitair_runtime.places import group_places, reader_places
from facilitair_runtime.vitals import Check, Vitals
from facilitair_runtime.writable import WatchedLog, Writable
from facilitair_testing.eventually import eventually
from libs.runtime.tests import histories, ledger

TP = TopicPartition("inbox", 0)


class Stand:
    """A service whose clock, place and excuse the test sets."""

    def __init__(self, *, look_s: float = 60.0) -> None:
        self.now = 0.0
        self.place = Place(position=0, end=5)
        self.error: Exception | None = None
        self.busy = False
        self.loaded = True
        self.looks = 0
        self.writable = Writable(self.clock)
        self.vitals = Vitals(
            limits=Limits(silent_s=5, stuck_s=60),
            look_s=look_s,
            beats=tuple,
            checks=(Check(condition="rebuilding", holds=lambda: self.loaded, detail="loading"),),
            places=self._places,
            writable=self.writable,
            excused=lambda: self.busy,
            clock=self.clock,
        )

    def clock(self) -> float:
        return self.now

    async def _places(self):
        self.looks += 1
        if self.error is not None:
            raise self.error
        return {TP: self.place}

    async def look(self, at: float) -> list[str]:
        self.now = at
        await self.vitals.look()
        return [one.condition for one in self.vitals.not_live()]


async def test_i14_lag_without_progress_fails_liveness_and_progress_heals_it() -> None:
    stand = Stand()
    assert await stand.look(0) == []
    assert await stand.look(59) == []
    assert await stand.look(60) == ["no_progress"]
    assert stand.vitals.not_ready() == ()
    stand.place = Place(position=1, end=900)
    assert await stand.look(61) == []


async def test_who_may_take_nothing_up_is_not_wedged() -> None:
    stand = Stand()
    stand.busy = True
    for at in range(0, 600, 30):
        assert await stand.look(at) == []
    stand.busy = False
    assert await stand.look(570 + 59) == []
    assert await stand.look(570 + 60) == ["no_progress"]


async def test_nobody_is_wedged_for_what_the_log_does_not_tell() -> None:
    stand = Stand()
    assert await stand.look(0) == []
    stand.error = MessagingError("away")
    assert await stand.look(100) == []
    assert [one.condition for one in stand.vitals.not_ready()] == ["not_writable"]
    stand.error = None
    assert await stand.look(130) == []
    assert stand.vitals.not_ready() == ()
    assert await stand.look(189) == []
    assert await stand.look(190) == ["no_progress"]


async def test_a_look_that_is_not_answered_in_time_is_given_up() -> None:
    stand = Stand(look_s=0.01)
    stand.vitals._places = asyncio.Event().wait  # noqa: SLF001 - a log that hangs
    await stand.vitals.look()
    assert [one.condition for one in stand.vitals.not_ready()] == ["not_writable"]


async def test_it_looks_by_itself_as_often_as_it_is_told() -> None:
    stand = Stand(look_s=0.001)
    task = asyncio.create_task(stand.vitals.run())
    await eventually(lambda: stand.looks > 2)
    task.cancel()


async def test_a_condition_of_readiness_is_told_since_it_failed_first() -> None:
    stand = Stand()
    stand.loaded = False
    stand.now = 3
    assert [one.since for one in stand.vitals.not_ready()] == [3]
    stand.now = 9
    (failing,) = stand.vitals.not_ready()
    assert (failing.condition, failing.since, stand.vitals.age_s(failing)) == ("rebuilding", 3, 6)
    stand.loaded = True
    assert stand.vitals.not_ready() == ()
    stand.loaded, stand.now = False, 20
    assert [one.since for one in stand.vitals.not_ready()] == [20]


class Sending:
    """A log whose sends end as the test says."""

    def __init__(self, log, outcome) -> None:
        self._log = log
        self._outcome = outcome

    def producer(self):
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def send(self, _messages):
        if isinstance(self._outcome, Exception):
            raise self._outcome
        if self._outcome == "never":
            await asyncio.Event().wait()
        return []


async def sent(writable: Writable, outcome) -> None:
    async with WatchedLog(Sending(None, outcome), writable).producer() as producer:
        async with asyncio.timeout(0.01):
            await producer.send([])


@pytest.mark.parametrize("outcome", [ProduceUnknownError(topics=("t",), reason="away"), "never"])
async def test_what_does_not_arrive_makes_a_service_unready_until_something_does(outcome) -> None:
    writable = Writable()
    with pytest.raises((ProduceUnknownError, TimeoutError)):
        await sent(writable, outcome)
    since = writable.failing_since
    assert since is not None
    with pytest.raises((ProduceUnknownError, TimeoutError)):
        await sent(writable, outcome)
    assert writable.failing_since == since
    await sent(writable, "acked")
    assert writable.failing_since is None


async def test_a_refused_record_is_an_answer() -> None:
    writable = Writable()
    writable.failed()
    with pytest.raises(RecordRefusedError):
        await sent(writable, RecordRefusedError(topic="t", reason="too large"))
    assert writable.failing_since is None


def test_an_answer_to_something_older_proves_nothing() -> None:
    now = [0.0]
    writable = Writable(lambda: now[0])
    now[0] = 5
    writable.failed()
    writable.answered(began=4)
    assert writable.failing_since == 5
    writable.answered(began=5)
    assert writable.failing_since is None


async def test_lag_is_measured_from_the_log_for_what_is_held(log) -> None:
    await histories.append(log, *ledger.puts(1, 2, 3))
    inbox = TopicPartition(ledger.INBOX, 0)
    admin = log.admin()
    assert await group_places(admin, group="ledger", tps=[]) == {}
    assert await group_places(admin, group="ledger", tps=[inbox]) == {
        inbox: Place(position=0, end=3)
    }
    await admin.set_committed("ledger", {inbox: 2})
    assert await group_places(admin, group="ledger", tps=[inbox]) == {
        inbox: Place(position=2, end=3)
    }
    assert await reader_places(admin, {inbox: 1}) == {inbox: Place(position=1, end=3)}
    assert await reader_places(admin, {}) == {}
