"""Timers fire by the log's time, survive restarts, and cost nothing while nothing is due."""

import asyncio

from facilitair_events.envelope import header
from facilitair_events.ids import derive
from facilitair_events.requests import TimerFired
from facilitair_events.state import Timer
from facilitair_events.types import NAMES
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.messages import read
from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.adapters.wall_clock import wall_clock_ms
from facilitair_runtime.reducing.timers import Timers
from facilitair_testing.eventually import eventually
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog

TP = TopicPartition(ledger.INBOX, 0)
FIRED = NAMES[TimerFired].encode()


async def _rang(log) -> list[str]:
    events = histories.applied(await histories.records(log, ledger.EVENTS)).get("t:a", [])
    data = [read(record).data for record in events]
    return [event.name for event in data if isinstance(event, ledger.Rang)]


async def _fired(log) -> list:
    inbox = await histories.records(log, ledger.INBOX)
    return [record for record in inbox if header(record.headers, "ce_type") == FIRED]


def _wait(delay_ms, *, name="soon", id="w"):  # noqa: A002
    return ledger.record(ledger.Wait(name=name, delay_ms=delay_ms), id=id)


async def test_a_timer_fires_when_it_is_due(log):
    await histories.append(log, _wait(30))
    async with histories.running(histories.keyed(log)):
        await eventually(lambda: _rang(log))
        await eventually(lambda: histories.settled(log))
    (fired,) = await _fired(log)
    assert fired.key == b"t:a"
    assert header(fired.headers, "ce_id").decode() == derive(derive("w", "soon"))
    assert header(fired.headers, "correlation") == b"corr-t:a"
    await histories.check(log)


async def test_a_timer_survives_a_restart(log):
    await histories.append(log, _wait(300))
    await histories.run_dry(FaultyLog(log))
    assert await _fired(log) == []
    async with histories.running(histories.keyed(log)):
        await eventually(lambda: _rang(log))
    await histories.check(log)


async def test_r11_a_timer_that_fires_early_by_log_time_is_armed_again(log):
    ahead = 400
    await histories.append(log, _wait(ahead))
    chassis = histories.keyed(log, clock_ms=lambda: wall_clock_ms() + ahead)
    async with histories.running(chassis):
        await eventually(lambda: _rang(log))
        await eventually(lambda: histories.settled(log))
    assert len(await _fired(log)) >= 2
    assert await _rang(log) == ["soon"]
    await histories.check(log)


async def test_r11_unknown_and_repeated_timers_change_nothing(log):
    unknown = ledger.record(TimerFired(timer_id="nobody", name="soon"), id="t1")
    await histories.append(log, unknown, _wait(20), unknown)
    async with histories.running(histories.keyed(log)):
        await eventually(lambda: _rang(log))
        (fired,) = [r for r in await _fired(log) if read(r).data.timer_id != "nobody"]
        again = ledger.Message(fired.topic, fired.key, fired.value, fired.headers)
        await histories.append(log, again)
        await eventually(lambda: histories.settled(log))
    assert await _rang(log) == ["soon"]
    await histories.check(log)


async def test_timers_of_an_ended_key_are_dropped(log):
    await histories.append(log, _wait(50), ledger.record(ledger.Close(), id="c"))
    async with histories.running(histories.keyed(log)):
        await histories.append(
            log, ledger.record(ledger.Wait(name="later", delay_ms=80), key="t:b", id="w2")
        )

        async def later():
            return [r for r in await _fired(log) if r.key == b"t:b"]

        await eventually(later)
    assert [record.key for record in await _fired(log)] == [b"t:b"]


async def test_a_timer_that_fired_while_its_key_was_parked_is_not_lost(log):
    """Parked itself raises here, so the key goes on; its timer must still ring."""

    def decide(state, received):
        if isinstance(received.data, ledger.Parked):
            raise TypeError
        return ledger.decide(state, received)

    await histories.append(log, _wait(1), *ledger.puts(ledger.POISON))
    async with histories.running(histories.keyed(log, reducer=ledger.reducer(decide=decide))):
        await eventually(lambda: _rang(log))


class _Written:
    """Timers over a clock that is set by hand."""

    def __init__(self, *, failures: int = 0, attempts: int = 3) -> None:
        self.now = 1_000
        self.written: list[str] = []
        self._failures = failures
        self.timers = Timers(clock_ms=lambda: self.now, fire=self._fire, attempts=attempts)

    async def _fire(self, alarms) -> None:
        if self._failures:
            self._failures -= 1
            raise ProduceUnknownError(topics=("t",), reason="test")
        self.written += [alarm.timer.timer_id for alarm in alarms]

    def later(self) -> "_Written":
        self.now += 100
        return self

    def arm(self, *timers: tuple[str, int], key: str = "t:a") -> None:
        context = read_context()
        held = [Timer(timer_id=name, name=name, due_ms=due) for name, due in timers]
        self.timers.arm(TP, key, timers=held, context=context)


def read_context():
    message = ledger.puts(1)[0]
    record = histories.Record("t", 0, 0, 0, message.key, message.value, message.headers)
    return read(record).envelope


async def _ran(timers: Timers) -> None:
    """Let what is due be written, and nothing else."""
    task = asyncio.ensure_future(timers.run())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


async def test_only_what_is_due_is_written_and_only_once():
    written = _Written()
    written.arm(("a", 900), ("b", 1_100), ("c", 1_000))
    await _ran(written.timers)
    await _ran(written.timers)
    assert written.written == ["a", "c"]
    written.now = 1_100
    await _ran(written.timers)
    assert written.written == ["a", "c", "b"]


async def test_a_state_without_a_timer_disarms_it():
    written = _Written()
    written.arm(("a", 1_100), ("b", 1_200))
    written.arm(("b", 1_200))
    written.now = 2_000
    await _ran(written.timers)
    assert written.written == ["b"]


async def test_a_partition_that_is_gone_fires_nothing():
    written = _Written()
    written.arm(("a", 900))
    written.timers.drop(TP)
    await _ran(written.timers)
    assert written.written == []


async def test_r04_timers_of_unknown_fate_are_written_again():
    written = _Written(failures=2)
    written.arm(("a", 900))
    task = asyncio.ensure_future(written.timers.run())
    await eventually(lambda: written.later().written)
    task.cancel()
    assert written.written == ["a"]


async def test_timers_give_up_when_the_log_never_answers():
    written = _Written(failures=9, attempts=3)
    written.arm(("a", 900))
    task = asyncio.ensure_future(written.timers.run())
    await eventually(lambda: written.later() and task.done())
    assert isinstance(task.exception(), ProduceUnknownError)


async def test_a_timer_that_is_read_and_still_held_waits_longer_each_time():
    written = _Written()
    written.arm(("a", 900))
    waits = []
    for _ in range(4):
        await _ran(written.timers)
        before = len(written.written)
        written.timers.read(TP, "t:a", timer_id="a", at_ms=900)
        start = written.now
        while len(written.written) == before:
            written.now += 25
            await _ran(written.timers)
        waits.append(written.now - start)
        written.timers.read(TP, "t:a", timer_id="a", at_ms=900)
        written.now += 100_000
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]


async def test_dropped_timers_do_not_pile_up():
    written = _Written()
    for number in range(5_000):
        written.arm((f"t{number}", 1_000_000 + number))
    assert len(written.timers._heap) < 200  # noqa: SLF001 - the leak would be here


async def test_a_written_timer_is_not_written_again_when_dropped_ones_are_cleared_away():
    written = _Written()
    written.arm(("a", 900))
    await _ran(written.timers)
    for number in range(500):
        written.arm((f"t{number}", 1_000_000 + number), key="t:b")
    await _ran(written.timers)
    assert written.written == ["a"]


async def test_a_timer_that_came_early_waits_for_what_is_missing():
    written = _Written()
    written.arm(("a", 900))
    await _ran(written.timers)
    written.timers.read(TP, "t:a", timer_id="a", at_ms=400)
    written.now += 499
    await _ran(written.timers)
    assert written.written == ["a"]
    written.now += 1
    await _ran(written.timers)
    assert written.written == ["a", "a"]


async def test_timers_move_with_their_partition(open_log):
    keys = [f"t:k{number}" for number in range(6)]
    async with open_log(partitions=3) as log:
        waits = [
            ledger.record(ledger.Wait(name="soon", delay_ms=500), key=key, id=f"w-{key}")
            for key in keys
        ]
        await histories.append(log, *waits)
        async with histories.running(histories.keyed(log, partitions=3)):
            await eventually(lambda: histories.settled(log))
            second = histories.keyed(log, member="ledger-1", partitions=3)
            async with histories.running(second):
                await eventually(second.ready)

                async def all_rang():
                    events = histories.applied(await histories.records(log, ledger.EVENTS))
                    return set(events) == set(keys)

                await eventually(all_rang)
                await eventually(lambda: histories.settled(log))
        assert sorted(record.key.decode() for record in await _fired(log)) == keys
        await histories.check(log)


async def test_a_batch_that_ends_after_its_partition_is_gone_arms_nothing(open_log):
    keys = [f"t:k{number}" for number in range(6)]
    sending, go_on = asyncio.Event(), asyncio.Event()

    class Slow(FaultyLog):
        async def send(self, producer, messages):
            sending.set()
            await go_on.wait()
            return await super().send(producer, messages)

    async with open_log(partitions=3) as log:
        await histories.append(
            log,
            *[ledger.record(ledger.Wait(name="s", delay_ms=400), key=key, id=key) for key in keys],
            *[one for key in keys for one in ledger.puts(2, key=key)],
        )
        async with histories.running(histories.keyed(Slow(log), partitions=3)):
            await sending.wait()
            second = histories.keyed(log, member="ledger-1", partitions=3)
            async with histories.running(second):
                await eventually(second.ready)
                go_on.set()

                async def all_fired():
                    return {record.key.decode() for record in await _fired(log)} == set(keys)

                await eventually(all_fired)
                await eventually(lambda: histories.settled(log))
        assert sorted(record.key.decode() for record in await _fired(log)) == keys
        await histories.check(log)
