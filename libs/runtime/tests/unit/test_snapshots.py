"""Snapshots: the highest wins, order is repaired, and they are neither early nor too many (R8)."""

import asyncio
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from facilitair_events.codec import encode
from facilitair_messaging.messages import read
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_runtime.errors import PartitionCountError, SnapshotTooNewError, StateLostError
from facilitair_runtime.reducing.rebuild import Scan
from facilitair_runtime.reducing.states import since, with_offset
from facilitair_testing.eventually import eventually
from facilitair_testing.spoiling import SpoilingLog
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog


async def _snapshots(log, key="t:a"):
    found = await histories.records(log, ledger.STATE)
    return [read(record).data for record in found if record.key == key.encode()]


def _again(record) -> Message:
    return Message(record.topic, record.key, record.value, record.headers)


async def _several_snapshots(log) -> list:
    """One after each of three records, by three owners."""
    for number, amount in enumerate((2, 3, 4)):
        await histories.append(log, *ledger.puts(amount, start=number))
        await histories.run_dry(FaultyLog(log))
    states = await histories.records(log, ledger.STATE)
    assert len(states) == 3
    return states


async def test_r08_the_highest_applied_wins_and_is_appended_again(log):
    states = await _several_snapshots(log)
    await histories.append(log, _again(states[0]))  # a stopped owner wakes up (M1)
    await histories.append(log, *ledger.puts(7, start=9))
    await histories.finish(log)
    after = await histories.records(log, ledger.STATE)
    repaired = after[len(states) + 1]
    winner = states[-1]
    assert (repaired.value, repaired.headers) == (winner.value, winner.headers)


async def test_r08_a_rebuild_appends_nothing_when_the_winner_is_last(log):
    await histories.append(log, *ledger.puts(2))
    await histories.run_dry(FaultyLog(log))
    before = len(await histories.records(log, ledger.STATE))
    async with histories.running(histories.keyed(log)) as chassis:
        await eventually(chassis.ready)
    assert len(await histories.records(log, ledger.STATE)) == before


async def test_r08_the_scan_repeats_while_a_partition_is_owned(log):
    first, _, last = await _several_snapshots(log)
    async with histories.running(histories.keyed(log, scan_interval_s=0.02)) as chassis:
        await eventually(chassis.ready)
        await histories.append(log, _again(first))

        async def repaired():
            return (await histories.records(log, ledger.STATE))[-1].value == last.value

        await eventually(repaired, what="the winner is last again")


async def test_r08_the_scan_waits_for_its_interval(log):
    first, *_ = await _several_snapshots(log)
    async with histories.running(histories.keyed(log)) as chassis:
        await eventually(chassis.ready)
        await histories.append(log, _again(first))
        await histories.append(log, *ledger.puts(4, key="t:b"))
        await eventually(lambda: histories.settled(log))
        mine = [r for r in await histories.records(log, ledger.STATE) if r.key == b"t:a"]
        assert mine[-1].value == first.value


async def test_r08_a_key_has_no_more_snapshots_than_the_interval_allows(log):
    async with histories.running(histories.keyed(log, snapshot_interval_ms=60_000)) as chassis:
        await eventually(chassis.ready)
        for number in range(20):
            await histories.append(log, *ledger.puts(2, start=number))

        async def decided():
            return len(await histories.records(log, ledger.EVENTS)) == 40

        await eventually(decided)
        assert len(await _snapshots(log)) <= 2
    assert (await _snapshots(log))[-1].state.total == 40  # stopping snapshots what is open
    assert await histories.settled(log)


async def test_r08_a_snapshot_holds_what_was_applied(log):
    await histories.append(log, *ledger.puts(2, key="t:b"), *ledger.puts(2, 3))
    await histories.append(log, *ledger.puts(4, key="t:b", start=5), *ledger.puts(5, start=6))
    await histories.run_dry(FaultyLog(log))
    last = (await _snapshots(log))[-1]
    assert last.applied == 4
    assert last.state.total == 10
    assert list(accumulate(last.offsets)) == [1, 2, 4]


async def test_r08_offsets_go_on_after_a_restart(log):
    await histories.append(log, *ledger.puts(2, 3))
    await histories.run_dry(FaultyLog(log))
    await histories.append(log, *ledger.puts(4, start=5))
    await histories.run_dry(FaultyLog(log))
    assert list(accumulate((await _snapshots(log))[-1].offsets)) == [0, 1, 2]


@given(st.lists(st.integers(0, 100), unique=True), st.integers(0, 120))
def test_r28_offsets_are_delta_coded_and_expire(offsets, beginning):
    offsets = sorted(offsets)
    coded: tuple[int, ...] = ()
    for offset in offsets:
        coded = with_offset(coded, offset)
    assert list(accumulate(coded)) == offsets
    kept = since(coded, beginning)
    assert list(accumulate(kept)) == [offset for offset in offsets if offset >= beginning]


async def test_r08_a_state_that_does_not_fit_fails_in_decide(log):
    grow = ledger.record(ledger.Grow(state_bytes=5_000), id="grow")
    await histories.append(log, *ledger.puts(2), grow, *ledger.puts(3, start=4))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(state_limit_bytes=4_000))
    events = [read(record).data for record in await histories.records(log, ledger.EVENTS)]
    assert [type(event).__name__ for event in events] == ["Counted", "Counted", "Closed"]
    assert events[-1].reason == "state_too_large"
    assert await histories.records(log, ledger.INBOX + "-dlq") == []


async def test_an_event_that_its_topic_does_not_take_fails_in_decide(log):
    grow = ledger.record(ledger.Grow(event_bytes=64 * 1024), id="grow")
    await histories.append(log, *ledger.puts(2), grow)
    await histories.run_dry(FaultyLog(log))
    events = [read(record).data for record in await histories.records(log, ledger.EVENTS)]
    assert events[-1].reason == "output_too_large"
    assert [event.seq for event in events] == [1, 2, 3]


UNREADABLE = {
    "applied": lambda state: structs.replace(_again(state), value=b"{}"),
    "json": lambda state: structs.replace(_again(state), value=b"not json"),
    "state": lambda state: structs.replace(_again(state), value=b'{"applied":99,"state":7}'),
    "headers": lambda state: structs.replace(_again(state), headers=()),
    "tenant": lambda state: _with_header(state, "tenant", b"evil"),
    "type": lambda state: _with_header(state, "ce_type", b"facilitair.nobody.knows.v9"),
    "foreign": lambda state: _with_header(state, "ce_type", b"facilitair.ledger.put.v1"),
}


def _with_header(state, name, value):
    headers = tuple((n, value if n == name else v) for n, v in state.headers)
    return structs.replace(_again(state), headers=headers)


def _spoil_snapshots(kind, *, after):
    """Spoil every snapshot but the first ``after``."""
    seen = []

    def spoil(messages):
        changed = []
        for message in messages:
            if message.topic == ledger.STATE:
                seen.append(message)
                if len(seen) > after:
                    message = UNREADABLE[kind](message)  # noqa: PLW2901
            changed.append(message)
        return changed

    return spoil


@pytest.mark.parametrize("after", [0, 1], ids=["none-is-left", "an-older-one-is-left"])
@pytest.mark.parametrize("kind", UNREADABLE)
async def test_r08_what_unreadable_snapshots_covered_is_decided_again(log, kind, after):
    spoiling = SpoilingLog(log, _spoil_snapshots(kind, after=after))
    for number, amount in enumerate((2, 3, 4)):
        await histories.append(log, *ledger.puts(amount, start=number))
        async with histories.running(histories.keyed(spoiling)):
            await eventually(lambda: histories.settled(log))
    await histories.append(log, *ledger.puts(7, start=9), *ledger.puts(5, key="t:b"))
    async with histories.running(histories.keyed(log)):
        await eventually(lambda: histories.settled(log))
    applied = histories.applied(await histories.records(log, ledger.EVENTS))
    assert read(applied["t:a"][-1]).data.total == 16
    assert read(applied["t:b"][-1]).data.total == 5
    last = (await histories.records(log, ledger.STATE))[-2:]
    assert {read(record).data.state.total for record in last} == {16, 5}


def _spoil_key(key):
    """Spoil every snapshot of one key."""

    def spoil(messages):
        return [
            UNREADABLE["json"](message)
            if (message.topic, message.key) == (ledger.STATE, key.encode())
            else message
            for message in messages
        ]

    return spoil


class _Trimmed:
    """A log whose inbox begins later than it did."""

    def __init__(self, log, beginning):
        self._log = log
        self._beginning = beginning

    def __getattr__(self, name):
        return getattr(self._log, name)

    def admin(self):
        return _Trimmed(self._log.admin(), self._beginning)

    async def beginning_offsets(self, tps):
        found = await self._log.beginning_offsets(tps)
        return {tp: self._beginning if tp.topic == ledger.INBOX else at for tp, at in found.items()}


async def test_r08_a_doubtful_key_whose_records_expired_fails_instead_of_forgetting(log):
    await histories.append(log, *ledger.puts(2, 3), *ledger.puts(5, key="t:b"))
    spoiled = SpoilingLog(log, _spoil_key("t:a"))
    async with histories.running(histories.keyed(spoiled)):
        await eventually(lambda: histories.settled(log))
    await histories.append(log, *ledger.puts(4, start=9), *ledger.puts(7, key="t:b", start=9))
    async with histories.running(histories.keyed(_Trimmed(log, 2))):
        await eventually(lambda: histories.settled(log))
    events = [read(record) for record in await histories.records(log, ledger.EVENTS)]
    failed = [event.data for event in events if isinstance(event.data, ledger.Closed)]
    assert [event.reason for event in failed] == [
        "its state cannot be read, and the records that led to it are gone"
    ]
    assert {e.envelope.subject for e in events if isinstance(e.data, ledger.Closed)} == {"a"}


async def test_r08_a_doubtful_key_that_never_fails_stops_the_process(log):
    reducer = ledger.reducer(skips_poison=True)
    await histories.append(log, *ledger.puts(2, 3))
    spoiled = SpoilingLog(log, _spoil_key("t:a"))
    async with histories.running(histories.keyed(spoiled, reducer=reducer)):
        await eventually(lambda: histories.settled(log))
    with pytest.raises(StateLostError, match=r"snapshot of t:a in ledger-state .* backup"):
        await histories.keyed(_Trimmed(log, 2), reducer=reducer).run(asyncio.Event())


async def test_r09_a_snapshot_of_a_newer_form_stops_the_process(log):
    await histories.append(log, *ledger.puts(2))
    await histories.run_dry(FaultyLog(log))
    (state,) = await histories.records(log, ledger.STATE)
    name = dict(state.headers)["ce_type"]
    newer = _with_header(state, "ce_type", name.removesuffix(b"1") + b"2")
    await histories.append(log, newer)
    with pytest.raises(SnapshotTooNewError, match="upgrade"):
        await histories.keyed(log).run(asyncio.Event())


async def test_inbox_and_state_must_have_the_same_partitions(open_log):
    async with open_log(partitions=1) as log:
        specs = ledger.registry(3).topics
        other = structs.replace(specs[ledger.STATE], name="other-state")
        await log.admin().ensure_topics([other])
        chassis = histories.keyed(log, reducer=ledger.reducer(state_topic="other-state"))
        with pytest.raises(PartitionCountError):
            await chassis.run(asyncio.Event())


async def test_r14_an_ended_key_rests_as_bytes_and_still_answers(log):
    close = ledger.record(ledger.Close(), id="close")
    await histories.append(log, *ledger.puts(2), close)
    async with histories.running(histories.keyed(log)) as chassis:
        await eventually(lambda: histories.settled(log))
        (partition,) = chassis._partitions.values()  # noqa: SLF001 - memory is what this is about
        slot = partition.slots["t:a"]
        assert slot.packed is not None
        assert slot.standing.held is None
        await histories.append(log, *ledger.puts(5, start=8))
        await eventually(lambda: histories.settled(log))
        assert slot.packed is not None
    await histories.finish(log)
    events = await histories.records(log, ledger.EVENTS)
    assert [type(read(record).data).__name__ for record in events][-1] == "Closed"


async def test_a_large_key_does_not_rest_because_it_is_slow_to_read(log, monkeypatch):
    monkeypatch.setattr("facilitair_runtime.reducing.partitions.RESTING_BYTES", 400)
    grown = ledger.record(ledger.Grow(state_bytes=500), id="grow")
    await histories.append(log, grown, *ledger.puts(2, key="t:b"))
    async with histories.running(histories.keyed(log)) as chassis:
        await eventually(lambda: histories.settled(log))
        (partition,) = chassis._partitions.values()  # noqa: SLF001 - memory is what this is about
        assert partition.slots["t:a"].packed is None
        assert partition.slots["t:b"].packed is not None


async def test_r14_nothing_follows_the_end_after_the_offsets_are_reset(log):
    await histories.append(log, *ledger.puts(2, 3), ledger.record(ledger.Close(), id="close"))
    await histories.finish(log)
    before = len(await histories.records(log, ledger.EVENTS))
    await log.admin().set_committed("ledger", {TopicPartition(ledger.INBOX, 0): 0})
    await histories.finish(log)
    assert len(await histories.records(log, ledger.EVENTS)) == before


async def test_r11_an_offset_that_was_applied_is_skipped(log):
    """By its offset alone: this reducer forgets which records it has seen."""

    def decide(state, received):
        forgetful = None if state is None else structs.replace(state, seen=())
        return ledger.decide(forgetful, received)

    reducer = ledger.reducer(decide=decide)
    await histories.append(log, *ledger.puts(3, 5, 1))
    await histories.run_dry(FaultyLog(log), reducer=reducer)
    topics = (ledger.EVENTS, ledger.TASKS, ledger.STATE)
    before = [len(await histories.records(log, topic)) for topic in topics]
    await log.admin().set_committed("ledger", {TopicPartition(ledger.INBOX, 0): 0})
    await histories.run_dry(FaultyLog(log), reducer=reducer)
    assert [len(await histories.records(log, topic)) for topic in topics] == before


async def test_r08_compaction_keeps_what_a_load_needs(log):
    states = await _several_snapshots(log)
    await histories.append(log, _again(states[0]))
    await log.clean()  # everything is younger than the lag
    assert len(await histories.records(log, ledger.STATE)) == len(states) + 1
    await histories.finish(log)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=20))
def test_r08_a_scan_finds_the_highest_of_each_key(log_records):
    scan = Scan()
    for offset, (key, applied) in enumerate(log_records):
        message = ledger.puts(0, key=f"t:{key}")[0]
        data = ledger.LedgerSnapshot(applied=applied, state=ledger.LedgerState())
        scan.add(
            histories.Record(ledger.STATE, 0, offset, 0, message.key, encode(data), message.headers)
        )
    winners = scan.winners()
    for key in {f"t:{key}" for key, _ in log_records}:
        of_key = [applied for name, applied in log_records if f"t:{name}" == key]
        assert winners[key].applied == max(of_key)
        assert winners[key].is_last == (of_key[-1] == max(of_key))
