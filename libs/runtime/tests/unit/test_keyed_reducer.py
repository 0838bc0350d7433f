"""The whole chassis on the embedded log."""

from facilitair_testing.eventually import eventually
from libs.runtime.tests import histories, ledger


async def test_what_is_put_is_counted(log):
    await histories.append(log, *ledger.puts(1, 2, 3, 4, 5))
    await histories.finish(log)
    assert len(await histories.records(log, ledger.EVENTS)) == 7


async def test_records_that_come_while_it_runs_are_counted(log):
    async with histories.running(histories.keyed(log)) as chassis:
        await eventually(chassis.ready, what="ready")
        assert chassis.live()
        for start in range(5):
            await histories.append(log, *ledger.puts(start, start=start))
        await eventually(lambda: histories.settled(log))
    await histories.check(log)
    assert not chassis.ready()
    assert not chassis.live()
