"""The whole chassis on the embedded log."""

from structlog.testing import capture_logs

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


async def test_every_record_that_changed_something_is_told_once_and_no_payload(log):
    with capture_logs() as lines:
        await histories.append(log, *ledger.puts(2, 2), *ledger.puts(ledger.POISON, key="t:b"))
        await histories.finish(log)
    decided = [line for line in lines if line["event"] == "record decided"]
    assert [line["offset"] for line in decided] == [0, 1, 2, 3]
    assert [line["effect"] for line in decided] == ["applied", "applied", "parked", "applied"]
    assert decided[0]["correlation"] == "corr-t:a"
    (rejected,) = [line for line in lines if line["event"] == "record rejected"]
    assert rejected["error"] == "KeyError"
    assert rejected["raised_at"].rpartition("/")[2].startswith("ledger.py:")
    assert "exc_info" not in rejected


async def test_metrics_count_records_and_dead_letters(log):
    chassis = histories.keyed(log)
    metrics = chassis._wiring.metrics  # noqa: SLF001 - given by the harness
    await histories.append(log, *ledger.puts(2, ledger.POISON))
    async with histories.running(chassis):
        await eventually(lambda: histories.settled(log))
    text = metrics.render().decode()
    assert 'consumed_messages_total{group="ledger",topic="ledger-inbox"} 3.0' in text
    assert 'dead_lettered_total{error="KeyError",group="ledger",topic="ledger-inbox"} 1.0' in text
