"""What cannot be decided parks its key, is dead-lettered, and leaves all other keys alone."""

import asyncio

import pytest
from msgspec import structs

from facilitair_events.codec import encode
from facilitair_events.envelope import header
from facilitair_events.requests import Parked
from facilitair_events.types import NAMES
from facilitair_messaging.errors import (
    PermanentError,
    RejectionLimitError,
    RetryableError,
)
from facilitair_messaging.messages import read
from facilitair_messaging.rejections import RejectionLimit
from facilitair_runtime.errors import LogicTooNewError
from facilitair_testing.eventually import eventually
from facilitair_testing.spoiling import SpoilingLog
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog

DLQ = ledger.INBOX + "-dlq"


async def _events(log, key="t:a"):
    events = histories.applied(await histories.records(log, ledger.EVENTS))
    return [read(record).data for record in events.get(key, [])]


async def _parked(log):
    inbox = await histories.records(log, ledger.INBOX)
    parked = NAMES[Parked].encode()
    return [record for record in inbox if header(record.headers, "ce_type") == parked]


async def test_r13_a_raise_parks_the_key_until_parked_is_read(log):
    await histories.append(log, *ledger.puts(2, ledger.POISON, 3, 4), *ledger.puts(3, key="t:b"))
    await histories.finish(log)
    ended = await _events(log)
    assert [type(event).__name__ for event in ended] == ["Counted", "Counted", "Closed"]
    assert ended[-1].total == 2
    assert ended[-1].reason == "KeyError on the record at offset 1"
    assert [type(event).__name__ for event in await _events(log, "t:b")] == ["Counted"]


async def test_r13_a_raise_on_the_first_record_of_a_key_is_told_too(log):
    await histories.append(log, *ledger.puts(ledger.POISON, 3))
    await histories.finish(log)
    (closed,) = await _events(log)
    assert isinstance(closed, ledger.Closed)


async def test_r13_the_poison_record_is_dead_lettered_with_its_bytes(log):
    await histories.append(log, *ledger.puts(ledger.POISON))
    await histories.finish(log)
    (letter,) = await histories.records(log, DLQ)
    poison = (await histories.records(log, ledger.INBOX))[0]
    assert (letter.key, letter.value) == (poison.key, poison.value)
    assert header(letter.headers, "dlq_reason") == b"ledger-inbox[0]@0 raised KeyError"
    assert header(letter.headers, "dlq_error") == b"KeyError"
    assert header(letter.headers, "ce_id") == header(poison.headers, "ce_id")


async def test_r13_no_snapshot_is_taken_between_the_raise_and_parked(log):
    faults = FaultyLog(log)
    await histories.append(log, *ledger.puts(2, ledger.POISON, 3, 4))
    await histories.run_dry(faults, max_records=1)
    applied = [read(record).data.applied for record in await histories.records(log, ledger.STATE)]
    parked_at = len(await histories.records(log, ledger.INBOX)) - 1
    assert not [offset for offset in applied if 0 < offset < parked_at]


@pytest.mark.parametrize("error", [MemoryError, RecursionError, TimeoutError])
async def test_r13_what_depends_on_the_process_stops_it(log, error):
    def decide(state, received):
        raise error

    await histories.append(log, *ledger.puts(1))
    with pytest.raises(error):
        await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(decide=decide))
    assert await _parked(log) == []
    await histories.finish(log)


async def test_r13_a_raise_on_parked_itself_lets_the_key_go_on(log):
    def decide(state, received):
        if isinstance(received.data, Parked):
            raise TypeError
        return ledger.decide(state, received)

    await histories.append(log, *ledger.puts(2, ledger.POISON))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(decide=decide))
    await histories.append(log, *ledger.puts(3, start=7))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(decide=decide))
    assert [event.total for event in await _events(log)] == [2, 2, 5]
    assert len(await histories.records(log, DLQ)) == 2


async def test_an_unreadable_record_ends_the_key_that_waits_for_it(log):
    broken = structs.replace(ledger.puts(1)[0], value=b'{"amount": "x"}')
    await histories.append(log, *ledger.puts(2), broken, *ledger.puts(4, start=5))
    await histories.run_dry(FaultyLog(log))
    ended = await _events(log)
    assert isinstance(ended[-1], ledger.Closed)
    assert ended[-1].reason == "unreadable record at offset 1"
    (letter,) = await histories.records(log, DLQ)
    assert letter.value == broken.value


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": b"\xff\x00"},
        {"value": None},
        {"headers": ()},
        {"key": b"\xff\xfe"},
        {"key": b""},
        {"value": b"[" * 20_000},
    ],
)
async def test_garbage_for_a_key_without_state_is_only_dead_lettered(log, wrong):
    broken = structs.replace(ledger.puts(1)[0], **wrong)
    await histories.append(log, broken, *ledger.puts(2, key="t:b"))
    await histories.run_dry(FaultyLog(log))
    assert len(await histories.records(log, DLQ)) == 1
    assert await _parked(log) == []
    assert [event.total for event in await _events(log, "t:b")] == [2, 2]


async def test_a_record_of_another_tenant_ends_the_key_it_lies_under(log):
    """Whose it is nobody knows; who waits for it must not wait for ever."""
    forged = ledger.record(ledger.Close(), id="f", tenant="evil")
    await histories.append(log, *ledger.puts(2), forged, *ledger.puts(4, start=3))
    await histories.append(log, *ledger.puts(3, key="t:b"))
    await histories.run_dry(FaultyLog(log))
    ended = await _events(log)
    assert isinstance(ended[-1], ledger.Closed)
    assert ended[-1].total == 2
    (letter,) = await histories.records(log, DLQ)
    assert header(letter.headers, "dlq_error") == b"ForeignKeyError"
    reason = b"the record has key 't:a', its headers give 'evil:a'"
    assert header(letter.headers, "dlq_reason") == reason
    assert [event.total for event in await _events(log, "t:b")] == [3]
    assert "evil:a" not in await _keys_of_events(log)


async def _keys_of_events(log):
    return {record.key.decode() for record in await histories.records(log, ledger.EVENTS)}


def _with_type(name):
    (put,) = ledger.puts(1)
    headers = tuple((n, name if n == "ce_type" else value) for n, value in put.headers)
    return structs.replace(put, headers=headers, value=b"not json")


FIRST = frozenset({"facilitair.ledger.put.v1"})


@pytest.mark.parametrize(
    "broken",
    [
        lambda: structs.replace(ledger.puts(1)[0], value=b"not json"),
        lambda: structs.replace(ledger.puts(1)[0], value=None),
        lambda: structs.replace(ledger.puts(1)[0], headers=()),
        lambda: ledger.record(ledger.Put(amount=1), id="f", tenant="evil"),
        lambda: _with_type(b"facilitair.ledger.put.v2"),
        lambda: _with_type(b"\xff"),
    ],
    ids=["value", "null", "no-headers", "tenant", "type", "type-bytes"],
)
async def test_an_unreadable_first_record_fails_its_key_instead_of_silence(log, broken):
    await histories.append(log, broken(), *ledger.puts(2, key="t:b"))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(first_types=FIRST))
    (closed,) = await _events(log)
    assert isinstance(closed, ledger.Closed)
    assert len(await histories.records(log, DLQ)) == 1
    (parked,) = await _parked(log)
    assert (header(parked.headers, "tenant"), header(parked.headers, "ce_subject")) == (b"t", b"a")
    assert [event.total for event in await _events(log, "t:b")] == [2, 2]


@pytest.mark.parametrize(
    "broken",
    [
        lambda: structs.replace(ledger.record(ledger.Close(), id="c"), value=b"not json"),
        lambda: structs.replace(ledger.puts(1)[0], headers=(), key=b"no owner"),
        lambda: structs.replace(ledger.puts(1)[0], headers=(), key=b"\xff"),
    ],
    ids=["later-type", "no-owner", "no-text"],
)
async def test_what_began_no_key_is_only_dead_lettered(log, broken):
    await histories.append(log, broken(), *ledger.puts(2, key="t:b"))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(first_types=FIRST))
    assert len(await histories.records(log, DLQ)) == 1
    assert await _parked(log) == []


async def test_r13_a_parked_record_that_cannot_be_read_is_written_again(log):
    """Otherwise its key would stand still until the owner changes."""
    await histories.append(log, *ledger.puts(2, ledger.POISON))
    spoiled = []

    def spoil(messages):
        changed = []
        for message in messages:
            if not spoiled and dict(message.headers).get("ce_type") == NAMES[Parked].encode():
                spoiled.append(message)
                message = structs.replace(message, value=b"not json")  # noqa: PLW2901
            changed.append(message)
        return changed

    async with histories.running(histories.keyed(SpoilingLog(log, spoil))):

        async def closed():
            return any(isinstance(event, ledger.Closed) for event in await _events(log))

        await eventually(closed, what="the parked key to fail")
    assert spoiled
    assert len(await histories.records(log, DLQ)) == 2


async def test_r09_a_newer_logic_stops_the_process_and_decides_nothing(log):
    newer = ledger.record(ledger.Put(amount=1, logic=2), id="n")
    await histories.append(log, newer)
    with pytest.raises(LogicTooNewError):
        await histories.run_dry(FaultyLog(log))
    for topic in (ledger.EVENTS, ledger.STATE, DLQ):
        assert await histories.records(log, topic) == []
    assert await log.admin().committed("ledger") == {}


async def test_r09_a_newer_logic_of_another_tenant_stops_nobody(log):
    forged = ledger.record(ledger.Put(amount=1, logic=2), id="n", tenant="evil")
    await histories.append(log, forged, *ledger.puts(2, key="t:b"))
    await histories.run_dry(FaultyLog(log))
    assert len(await histories.records(log, DLQ)) == 1
    assert [event.total for event in await _events(log, "t:b")] == [2, 2]


async def test_r09_a_state_of_a_newer_logic_stops_the_process(log):
    await histories.append(log, *ledger.puts(1))
    await histories.run_dry(FaultyLog(log))
    (snapshot,) = await histories.records(log, ledger.STATE)
    data = read(snapshot).data
    newer = structs.replace(data, state=structs.replace(data.state, logic=2), applied=9)
    message = structs.replace(
        ledger.puts(1)[0], topic=ledger.STATE, value=encode(newer), headers=snapshot.headers
    )
    await histories.append(log, message)
    with pytest.raises(LogicTooNewError):
        await histories.keyed(log).run(asyncio.Event())


async def test_a_reducer_that_rejects_everything_stops(log):
    poison = [m for n in range(6) for m in ledger.puts(ledger.POISON, key=f"t:k{n}")]
    await histories.append(log, *poison)
    limit = RejectionLimit(max_consecutive=3)
    with pytest.raises(RejectionLimitError):
        await histories.run_dry(FaultyLog(log), rejections=limit)


async def test_prepare_is_what_decide_sees(log):
    async def prepare(received):
        return structs.replace(received, data=ledger.Put(amount=received.data.amount * 10))

    await histories.append(log, *ledger.puts(2))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(prepare=prepare))
    assert (await _events(log))[-1].total == 20


async def test_what_prepare_cannot_have_parks_the_key(log):
    async def prepare(received):
        if isinstance(received.data, ledger.Put) and received.data.amount == 3:
            raise PermanentError
        return received

    await histories.append(log, *ledger.puts(2, 3, 4))
    await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(prepare=prepare))
    assert isinstance((await _events(log))[-1], ledger.Closed)


async def test_what_prepare_cannot_have_now_stops_the_process(log):
    async def prepare(received):
        raise RetryableError

    await histories.append(log, *ledger.puts(2))
    with pytest.raises(RetryableError):
        await histories.run_dry(FaultyLog(log), reducer=ledger.reducer(prepare=prepare))
    await histories.finish(log)


async def test_one_poison_record_does_not_delay_other_keys(log):
    async with histories.running(histories.keyed(log)) as chassis:
        await eventually(chassis.ready)
        await histories.append(log, *ledger.puts(ledger.POISON), *ledger.puts(2, key="t:b"))
        await eventually(lambda: _events(log, "t:b"), timeout_s=60, what="the other key")
