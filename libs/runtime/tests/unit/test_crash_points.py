"""A reducer that dies or loses an answer at any write or commit: nothing is lost, nothing forks."""

from contextlib import suppress

import pytest

from facilitair_events.requests import ReplyTo
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import HALF, LOST, WRITTEN, FaultyLog, KilledError

_STEPS = 60
"""More than any run here takes; the test says so when it is not."""


def _inbox():
    """Two keys, a poison record, a duplicate, a question and an end."""
    ask = ledger.Ask(reply_to=ReplyTo(topic=ledger.REPLIES, correlation="q"))
    return [
        *ledger.puts(1, 2, 3, 5),
        *ledger.puts(1, ledger.POISON, 2, 3, key="t:b"),
        *ledger.puts(7, start=2),
        ledger.record(ask, id="ask"),
        ledger.record(ledger.Close(), id="close"),
        *ledger.puts(11, start=9),
    ]


@pytest.mark.parametrize("mode", [LOST, HALF, WRITTEN])
@pytest.mark.parametrize("max_records", [1, 4, 64])
async def test_r08_death_at_any_step_loses_nothing(open_log, mode, max_records):
    for at in range(1, _STEPS):
        async with open_log(f"{at}.db") as log:
            await histories.append(log, *_inbox())
            faults = FaultyLog(log, at=at, mode=mode, kill=True)
            with suppress(KilledError):
                await histories.run_dry(faults, max_records=max_records)
            await histories.check_commits(log)
            await histories.finish(log, max_records=max_records)
            if not faults.dead:
                return
    pytest.fail(f"the run has more than {_STEPS} steps")


@pytest.mark.parametrize("mode", [LOST, HALF, WRITTEN])
async def test_r04_an_unknown_fate_at_any_step_is_written_again(open_log, mode):
    for at in range(1, _STEPS):
        async with open_log(f"{at}.db") as log:
            await histories.append(log, *_inbox())
            faults = FaultyLog(log, at=at, mode=mode)
            await histories.run_dry(faults, max_records=4)
            await histories.check(log)
            await histories.check_commits(log)
            histories.commands_follow_their_events(faults.journal)
            if faults.steps < at:
                return
    pytest.fail(f"the run has more than {_STEPS} steps")
