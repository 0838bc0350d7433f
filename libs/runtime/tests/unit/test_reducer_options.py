"""What a service may say about its reducer: no stream, no offsets, its own sizes, no parking."""

import pytest
from msgspec import structs

from facilitair_events.decision import Command, Decision
from facilitair_events.envelope import header, instant
from facilitair_events.requests import Parked
from facilitair_events.types import NAMES
from facilitair_messaging.errors import PermanentError
from facilitair_messaging.messages import read
from facilitair_testing.eventually import eventually
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog

DLQ = ledger.INBOX + "-dlq"


def _going_on(state, received):
    """The ledger, but ``Parked`` leaves an event and ends nothing."""
    data = received.data
    if not isinstance(data, Parked):
        return ledger.decide(state, received)
    if state is None:
        return Decision(state=None)
    now_ms = max(state.now_ms, received.at_ms)
    event = ledger.Closed(
        seq=state.seq + 1, at=instant(now_ms), total=data.offset, reason=data.reason
    )
    return Decision(state=structs.replace(state, seq=event.seq, now_ms=now_ms), events=(event,))


def _skipping(**changes):
    return ledger.reducer(decide=changes.pop("decide", _going_on), skips_poison=True, **changes)


async def _told(log):
    """Totals of what was counted, and offset and reason of what was skipped."""
    events = [read(record).data for record in await histories.records(log, ledger.EVENTS)]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [
        (event.total, event.reason) if isinstance(event, ledger.Closed) else event.total
        for event in events
    ]


async def _parked(log):
    inbox = await histories.records(log, ledger.INBOX)
    return [r for r in inbox if header(r.headers, "ce_type") == NAMES[Parked].encode()]


async def test_without_a_stream_events_have_no_copies(log):
    await histories.append(log, *ledger.puts(2, 3))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(stream_topic=None))
    assert await histories.records(log, ledger.STREAM) == []
    assert await _told(log) == [2, 2, 5]


async def test_a_command_may_be_about_somebody_else_than_its_cause(log):
    def decide(state, received):
        decision = ledger.decide(state, received)
        told = ledger.Told(total=1, seq=1)
        more = Command(topic=ledger.TASKS, key="t:b", data=told, subject="b")
        return structs.replace(decision, commands=(*decision.commands, more))

    await histories.append(log, *ledger.puts(1))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(decide=decide))
    own, other = await histories.records(log, ledger.TASKS)
    assert (own.key, header(own.headers, "ce_subject")) == (b"t:a", b"a")
    assert (other.key, header(other.headers, "ce_subject")) == (b"t:b", b"b")
    assert header(other.headers, "tenant") == header(own.headers, "tenant")
    (event,) = await histories.records(log, ledger.EVENTS)
    assert header(event.headers, "ce_subject") == b"a"


async def test_snapshots_name_no_offsets_where_nobody_forks(log):
    reducer = ledger.reducer(keeps_offsets=False)
    await histories.append(log, *ledger.puts(2))
    await histories.run_dry(FaultyLog(log), reducer=reducer)
    await histories.append(log, *ledger.puts(3, start=1))
    await histories.run_dry(FaultyLog(log), reducer=reducer)
    snapshots = [read(r).data for r in await histories.records(log, ledger.STATE)]
    assert [snapshot.offsets for snapshot in snapshots] == [()] * len(snapshots)
    assert snapshots[-1].state.total == 5
    kept = ledger.reducer()
    await histories.append(log, *ledger.puts(4, start=2))
    await histories.run_dry(FaultyLog(log), reducer=kept)
    assert read((await histories.records(log, ledger.STATE))[-1]).data.offsets == (2,)


@pytest.mark.parametrize(("size", "reason"), [(100, None), (101, "state_too_large")])
async def test_r08_a_service_may_tell_sizes_and_their_limit_itself(log, size, reason):
    asked = []

    def size_of(state):
        asked.append(state)
        return size if state.total and not state.closed else 0

    reducer = ledger.reducer(size_of=size_of, state_limit_bytes=100)
    await histories.append(log, *ledger.puts(2))
    await histories.run_dry(FaultyLog(log), reducer=reducer)
    assert asked
    assert await _told(log) == ([2, 2] if reason is None else [(0, reason)])


async def test_r13_where_poison_is_skipped_nothing_behind_it_is_lost(log):
    await histories.append(log, *ledger.puts(2, ledger.POISON, 3, 4))
    await histories.run_dry(FaultyLog(log), reducer=_skipping())
    skipped = (1, "KeyError on the record at offset 1")
    assert await _told(log) == [2, 2, skipped, 5, 9]
    assert await _parked(log) == []
    (letter,) = await histories.records(log, DLQ)
    assert header(letter.headers, "dlq_error") == b"KeyError"


@pytest.mark.parametrize(
    "wrong", [{"value": b"no json"}, {"headers": ()}, {"key": b"t:a", "value": None}]
)
async def test_r13_what_cannot_be_read_is_skipped_too(log, wrong):
    broken = structs.replace(ledger.puts(1, start=8)[0], **wrong)
    await histories.append(log, *ledger.puts(2), broken, *ledger.puts(3, start=1))
    await histories.run_dry(FaultyLog(log), reducer=_skipping())
    assert await _told(log) == [2, 2, (1, "unreadable record at offset 1"), 5]
    assert await _parked(log) == []
    assert len(await histories.records(log, DLQ)) == 1


async def test_r13_a_record_of_another_owner_is_skipped_too(log):
    forged = ledger.record(ledger.Close(), id="f", tenant="evil")
    await histories.append(log, *ledger.puts(2), forged, *ledger.puts(3, start=1))
    await histories.run_dry(FaultyLog(log), reducer=_skipping())
    assert await _told(log) == [2, 2, (1, "unreadable record at offset 1"), 5]


async def test_poison_of_a_key_without_a_state_is_only_dead_lettered(log):
    broken = structs.replace(ledger.puts(1)[0], value=b"no json")
    poison = ledger.puts(ledger.POISON, start=1)
    await histories.append(log, broken, *poison, *ledger.puts(3, start=2))
    await histories.run_dry(FaultyLog(log), reducer=_skipping())
    assert await _told(log) == [3]
    assert len(await histories.records(log, DLQ)) == 2


async def test_r13_a_raise_on_parked_itself_leaves_no_trace(log):
    def decide(state, received):
        if isinstance(received.data, Parked):
            raise TypeError
        return ledger.decide(state, received)

    await histories.append(log, *ledger.puts(2, ledger.POISON, 3))
    await histories.run_dry(FaultyLog(log), reducer=_skipping(decide=decide))
    assert await _told(log) == [2, 2, 5]
    assert await _parked(log) == []
    assert len(await histories.records(log, DLQ)) == 1


async def test_what_a_record_names_and_is_not_there_is_skipped(log):
    class GoneError(PermanentError):
        pass

    async def prepare(seen):
        if seen.data.amount == 5:
            raise GoneError
        return seen

    await histories.append(log, *ledger.puts(2, 5, 3))
    await histories.run_dry(FaultyLog(log), reducer=_skipping(prepare=prepare))
    assert await _told(log) == [2, 2, (1, "GoneError on the record at offset 1"), 5]


async def test_r13_deciding_again_after_a_kill_skips_the_same(log):
    await histories.append(log, *ledger.puts(2, ledger.POISON, 3))
    await histories.run_dry(FaultyLog(log), reducer=_skipping())
    first = [(r.key, r.value) for r in await histories.records(log, ledger.EVENTS)]
    # Nothing was committed and no snapshot written, as after a kill at the worst moment.
    again = _skipping(service="again", state_topic=ledger.TASKS)
    async with histories.running(histories.keyed(log, reducer=again)):
        await eventually(
            lambda: _events_are(log, 2 * len(first)), what="the same records, decided again"
        )
    events = [(r.key, r.value) for r in await histories.records(log, ledger.EVENTS)]
    assert events[len(first) :] == first


async def _events_are(log, count):
    return len(await histories.records(log, ledger.EVENTS)) == count
