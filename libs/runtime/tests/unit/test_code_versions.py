"""R9: old code stops at what newer code must decide, and newer code goes on from there."""

import pytest

from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.errors import LogicTooNewError
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog

INBOX = TopicPartition(ledger.INBOX, 0)


def old():
    return ledger.reducer(known_logic=1)


def new():
    return ledger.reducer(known_logic=2)


def newer(ident: str, *, key: str = "t:a"):
    return ledger.record(ledger.Put(amount=5, logic=2), key=key, id=ident)


async def stops(log, **changes) -> LogicTooNewError:
    """Run old code until it stops."""
    with pytest.raises(LogicTooNewError) as caught:
        await histories.run_dry(FaultyLog(log), reducer=old(), **changes)
    return caught.value


async def test_r9_old_code_stops_before_what_it_does_not_know_and_newer_code_goes_on(log) -> None:
    await histories.append(log, *ledger.puts(1, 2), newer("n"), *ledger.puts(3, start=9))
    error = await stops(log, max_records=2)
    assert (error.logic, error.known) == (2, 1)
    assert "upgrade this service" in str(error)
    committed = (await log.admin().committed("ledger")).get(INBOX, 0)
    assert committed <= 2
    before = await histories.records(log, ledger.EVENTS)
    assert len(histories.applied(before).get("t:a", [])) <= 3

    await histories.run_dry(FaultyLog(log), reducer=new())
    await histories.check(log)
    assert (await log.admin().committed("ledger"))[INBOX] == 4


async def test_r9_it_stops_again_however_often_it_is_started(log) -> None:
    await histories.append(log, newer("n"))
    for _ in range(3):
        await stops(log)
    assert await histories.records(log, ledger.EVENTS) == []
    assert await log.admin().committed("ledger") == {}


async def test_r9_other_keys_of_the_batch_are_decided_by_whoever_goes_on(log) -> None:
    await histories.append(log, *ledger.puts(1, key="t:b"), newer("n"), *ledger.puts(2, key="t:c"))
    await stops(log, max_records=64)
    await histories.run_dry(FaultyLog(log), reducer=new())
    await histories.check(log)
