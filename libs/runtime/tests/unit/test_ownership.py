"""Partitions come and go, owners overlap, and nothing is skipped, forked or lost (R5)."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from facilitair_events.envelope import header
from facilitair_events.requests import ReplyTo
from facilitair_messaging.messages import read
from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.errors import RebuildError
from facilitair_testing.eventually import eventually
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog

TP = TopicPartition(ledger.INBOX, 0)


class _Interrupted(FaultyLog):
    """Runs something between two reads of a takeover."""

    def __init__(self, log, interrupt) -> None:
        super().__init__(log)
        self.interrupt = interrupt

    def admin(self):
        return _Admin(self, self._log.admin())

    @asynccontextmanager
    async def consumer(self, **options):
        async with super().consumer(**options) as consumer:

            async def committed(tp):
                """What the interrupting owner has committed counts for this group too."""
                theirs = await self._log.admin().committed("other")
                return theirs.get(tp)

            consumer.committed = committed
            yield consumer


class _Admin:
    def __init__(self, log, admin) -> None:
        self._log = log
        self._admin = admin

    def __getattr__(self, name):
        return getattr(self._admin, name)

    async def end_offsets(self, tps):
        found = await self._admin.end_offsets(tps)
        if self._log.interrupt is not None and next(iter(tps)).topic == ledger.STATE:
            interrupt, self._log.interrupt = self._log.interrupt, None
            await interrupt()
        return found


async def test_r05_the_committed_offset_is_read_before_the_end_of_the_states(log):
    """Another owner handles, snapshots and commits a record after this one looked at the states."""
    await histories.append(log, *ledger.puts(5))

    async def other_owner():
        await histories.run_dry(FaultyLog(log, group="other"))

    async with histories.running(histories.keyed(_Interrupted(log, other_owner))):
        await eventually(lambda: histories.settled(log))
        await histories.append(log, *ledger.puts(2, start=3))
        await eventually(lambda: histories.settled(log))
    await histories.check(log)
    assert await log.admin().committed("other") == {TP: 1}


async def test_r05_a_group_that_never_committed_starts_at_the_beginning(log):
    """The states of another group reach further than this one has read."""
    await histories.append(log, *ledger.puts(5, 2, 3))
    await histories.run_dry(FaultyLog(log, group="other"))
    await histories.append(log, *ledger.puts(1, start=7))
    async with histories.running(histories.keyed(log)) as chassis:
        await eventually(lambda: histories.settled(log))
        metrics = chassis._wiring.metrics.render().decode()  # noqa: SLF001 - the harness made it
    assert 'consumed_messages_total{group="ledger",topic="ledger-inbox"} 4.0' in metrics
    await histories.check(log)


async def test_r05_records_of_a_partition_that_is_not_ready_are_not_decided(log):
    await histories.append(log, *ledger.puts(1, 2))
    loading, go_on = asyncio.Event(), asyncio.Event()

    async def wait():
        loading.set()
        await go_on.wait()

    async with histories.running(histories.keyed(_Interrupted(log, wait))) as chassis:
        await loading.wait()
        await histories.append(log, *ledger.puts(3, start=5))
        assert not chassis.ready()
        assert chassis.live()
        await eventually(chassis.live)
        assert await histories.records(log, ledger.EVENTS) == []
        go_on.set()
        await eventually(lambda: histories.settled(log))
    await histories.check(log)


async def test_r05_heartbeats_go_on_while_states_are_loaded(log):
    polls = 0

    class Counting(_Interrupted):
        @asynccontextmanager
        async def consumer(self, **options):
            async with super().consumer(**options) as consumer:
                poll = consumer.poll

                async def counted(**arguments):
                    nonlocal polls
                    polls += 1
                    return await poll(**arguments)

                consumer.poll = counted
                yield consumer

    go_on = asyncio.Event()
    chassis = histories.keyed(Counting(log, go_on.wait), heartbeat_s=0.01)
    async with histories.running(chassis):
        await eventually(lambda: polls > 3)
        go_on.set()
        await eventually(chassis.ready)


async def test_r05_heartbeats_go_on_while_a_batch_takes_long(log):
    """And they take nothing out of the log that would have to be read again."""
    polled = asyncio.Event()
    returned = []

    class Slow(FaultyLog):
        async def send(self, producer, messages):
            await polled.wait()
            return await super().send(producer, messages)

        @asynccontextmanager
        async def consumer(self, **options):
            async with super().consumer(**options) as consumer:
                poll = consumer.poll

                async def watched(**arguments):
                    records = await poll(**arguments)
                    if arguments["wait_s"] == 0:
                        returned.extend(records)
                        polled.set()
                    return records

                consumer.poll = watched
                yield consumer

    await histories.append(log, *ledger.puts(1, 2, 3))
    async with histories.running(histories.keyed(Slow(log), heartbeat_s=0.01, max_records=1)):
        await eventually(lambda: histories.settled(log))
    assert returned == []
    await histories.check(log)


async def test_r05_a_partition_that_is_being_loaded_is_paused(log):
    loading, go_on = asyncio.Event(), asyncio.Event()
    returned = []

    async def wait():
        loading.set()
        await go_on.wait()

    class Watched(_Interrupted):
        @asynccontextmanager
        async def consumer(self, **options):
            async with super().consumer(**options) as consumer:
                poll = consumer.poll

                async def watched(**arguments):
                    records = await poll(**arguments)
                    returned.extend(records)
                    return records

                consumer.poll = watched
                yield consumer

    async with histories.running(histories.keyed(Watched(log, wait))):
        await loading.wait()
        await histories.append(log, *ledger.puts(1, 2))
        for _ in range(50):
            await asyncio.sleep(0)
        assert returned == []
        go_on.set()
        await eventually(lambda: histories.settled(log))
    await histories.check(log)


async def test_r05_a_failed_rebuild_stops_the_process(log):
    class Broken(FaultyLog):
        def reader(self):
            raise RebuildError(topic="t", partition=0, position=0, end=1)

    await histories.append(log, *ledger.puts(1))
    await histories.run_dry(FaultyLog(log))
    with pytest.raises(RebuildError):
        await histories.keyed(Broken(log)).run(asyncio.Event())


async def test_a_log_that_falls_silent_during_a_rebuild_stops_the_process(log):
    class Silent(FaultyLog):
        @asynccontextmanager
        async def reader(self):
            async with self._log.reader() as reader:

                async def nothing(**_arguments):
                    return []

                reader.poll = nothing
                yield reader

    await histories.append(log, *ledger.puts(1))
    await histories.run_dry(FaultyLog(log))
    with pytest.raises(RebuildError):
        await histories.keyed(Silent(log), rebuild_timeout_s=0.01).run(asyncio.Event())


async def test_rebalances_in_the_middle_of_work_lose_nothing(open_log):
    async with open_log(partitions=3) as log:
        keys = [f"t:k{n}" for n in range(6)]
        async with (
            histories.running(histories.keyed(log, member="ledger-0", partitions=3)),
            histories.running(histories.keyed(log, member="ledger-1", partitions=3)),
        ):
            for number in range(20):
                for key in keys:
                    await histories.append(log, *ledger.puts(number % 7, key=key, start=number))
                if number % 4 == 0:
                    log.force_rebalance("ledger")
            await eventually(lambda: histories.settled(log), what="everything committed")
        await histories.check(log)
        await histories.check_commits(log)


async def test_a_member_that_joins_takes_over_without_a_gap(open_log):
    async with open_log(partitions=3) as log:
        keys = [f"t:k{n}" for n in range(6)]
        async with histories.running(histories.keyed(log, partitions=3)):
            await histories.append(log, *[m for key in keys for m in ledger.puts(1, 2, key=key)])
            second = histories.keyed(log, member="ledger-1", partitions=3)
            async with histories.running(second):
                await eventually(second.ready)
                more = [m for key in keys for m in ledger.puts(3, 4, key=key, start=5)]
                await histories.append(log, *more)
                await eventually(lambda: histories.settled(log))
            last = [m for key in keys for m in ledger.puts(5, key=key, start=8)]
            await histories.append(log, *last)
            await eventually(lambda: histories.settled(log))
        await histories.check(log)


@pytest.mark.parametrize("behind", [0, 1, 3])
async def test_r08_a_stopped_owner_that_wakes_up_writes_the_same_records(log, behind):
    """Two owners of everything, as after SIGSTOP (M1): one reads the history of the other again."""
    poisoned = [*ledger.puts(2, ledger.POISON, 4), *ledger.puts(1, 3, 5, key="t:b")]
    await histories.append(log, *poisoned[: behind + 1])
    zombie = FaultyLog(log, group="zombie")
    async with (
        histories.running(histories.keyed(log, max_records=2)),
        histories.running(histories.keyed(zombie, max_records=3)),
    ):
        await histories.append(log, *poisoned[behind + 1 :])
        await eventually(lambda: histories.settled(log))
        await eventually(lambda: histories.settled(log, "zombie"))
    await histories.check(log)
    await histories.finish(log)
    seqs = [
        (record.key, header(record.headers, "seq"))
        for record in await histories.records(log, ledger.EVENTS)
    ]
    assert len(seqs) > len(set(seqs)), "the zombie has written nothing twice"


async def test_stopping_finishes_snapshots_and_commits_what_is_in_hand(log):
    stop = asyncio.Event()

    def decide(state, received):
        stop.set()
        return ledger.decide(state, received)

    await histories.append(log, *ledger.puts(1, 2, 3))
    chassis = histories.keyed(
        log, reducer=ledger.reducer(decide=decide), snapshot_interval_ms=60_000
    )
    await asyncio.wait_for(chassis.run(stop), 60)
    await histories.check(log)
    assert await histories.settled(log)
    assert read((await histories.records(log, ledger.STATE))[-1]).data.applied == 2


async def test_an_idle_reducer_does_nothing(log):
    """Nothing polls: without records the loop runs only for heartbeats."""
    await histories.append(log, *ledger.puts(1))
    turns = 0
    async with histories.running(histories.keyed(log, heartbeat_s=5)):
        await eventually(lambda: histories.settled(log))
        loop = asyncio.get_running_loop()
        run_once = loop._run_once  # noqa: SLF001 - the only place that sees every wake-up

        def counted():
            nonlocal turns
            turns += 1
            run_once()

        async def idle():
            """What is left of earlier work ends some time; polling would not."""
            nonlocal turns
            turns = 0
            loop._run_once = counted  # noqa: SLF001
            await asyncio.sleep(0.5)
            loop._run_once = run_once  # noqa: SLF001
            return turns < 10

        await eventually(idle, what="half a second without work")


class _Unpausable(_Interrupted):
    """Returns records of paused partitions, as a broker's client may until it has noticed."""

    @asynccontextmanager
    async def consumer(self, **options):
        async with super().consumer(**options) as consumer:
            consumer.pause = lambda _tps: None
            yield consumer


async def test_r05_records_that_come_before_the_partition_is_ready_are_read_again(log):
    await histories.append(log, *ledger.puts(1, 2, 3))
    polls, go_on = asyncio.Event(), asyncio.Event()

    class Watched(_Unpausable):
        @asynccontextmanager
        async def consumer(self, **options):
            async with super().consumer(**options) as consumer:
                poll = consumer.poll

                async def watched(**arguments):
                    records = await poll(**arguments)
                    if records:
                        polls.set()
                    return records

                consumer.poll = watched
                yield consumer

    async with histories.running(histories.keyed(Watched(log, go_on.wait), heartbeat_s=0.01)):
        await polls.wait()
        await histories.append(log, *ledger.puts(5, start=7))
        go_on.set()
        await eventually(lambda: histories.settled(log))
    await histories.check(log)


async def test_r05_a_poll_that_began_before_the_partition_was_ready_is_read_again(log):
    """The records were fetched before the seek and arrive after it."""
    await histories.append(log, *ledger.puts(1, 2, 3))
    fetched, ready = asyncio.Event(), asyncio.Event()

    class Late(_Unpausable):
        @asynccontextmanager
        async def consumer(self, **options):
            async with super().consumer(**options) as consumer:
                poll = consumer.poll

                async def late(**arguments):
                    records = await poll(**arguments)
                    if records and not fetched.is_set():
                        fetched.set()
                        await ready.wait()
                        return records[1:]
                    return records

                consumer.poll = late
                yield consumer

    async with histories.running(histories.keyed(Late(log, fetched.wait))) as chassis:
        await eventually(chassis.ready)
        ready.set()
        await eventually(lambda: histories.settled(log))
    await histories.check(log)


async def test_records_returned_by_a_heartbeat_are_read_again(log):
    """A client that has not noticed the pause returns records while a batch is being written."""
    beaten = asyncio.Event()

    class Slow(_Unpausable):
        async def send(self, producer, messages):
            if messages[0].topic == ledger.EVENTS:
                await beaten.wait()
            return await super().send(producer, messages)

        @asynccontextmanager
        async def consumer(self, **options):
            async with super().consumer(**options) as consumer:
                poll = consumer.poll

                async def beating(**arguments):
                    records = await poll(**arguments)
                    if arguments["wait_s"] == 0 and records:
                        beaten.set()
                    return records

                consumer.poll = beating
                yield consumer

    await histories.append(log, *ledger.puts(1, 2, 3))
    chassis = histories.keyed(Slow(log, None), heartbeat_s=0.01, max_records=1)
    async with histories.running(chassis):
        await eventually(lambda: histories.settled(log))
    await histories.check(log)


async def test_a_record_that_is_returned_twice_is_handled_once(log):
    class Twice(FaultyLog):
        @asynccontextmanager
        async def consumer(self, **options):
            async with super().consumer(**options) as consumer:
                poll = consumer.poll

                async def twice(**arguments):
                    return [one for one in await poll(**arguments) for _ in range(2)]

                consumer.poll = twice
                yield consumer

    ask = ledger.Ask(reply_to=ReplyTo(topic=ledger.REPLIES, correlation="q"))
    await histories.append(log, *ledger.puts(1, 2), ledger.record(ask, id="ask"))
    await histories.run_dry(Twice(log))
    await histories.check(log)
    assert len(await histories.records(log, ledger.REPLIES)) == 1
