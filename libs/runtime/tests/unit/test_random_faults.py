"""Any inbox, any batches, any sequence of deaths, doubts and sleeping owners."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from facilitair_messaging.adapters.embedded import EmbeddedLog
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import HALF, LOST, WRITTEN, FaultyLog, KilledError

_keys = st.sampled_from(["t:a", "t:b", "t:c"])
_puts = st.tuples(_keys, st.integers(0, 16), st.integers(0, 5))
_faults = st.tuples(
    st.integers(1, 14), st.sampled_from([LOST, HALF, WRITTEN]), st.booleans(), st.integers(1, 6)
)
_owners = st.sampled_from(["ledger", "ledger", "zombie"])


async def _history(folder: Path, rounds) -> None:
    topics = ledger.registry().topics
    async with EmbeddedLog.open(folder / "log.db", topics) as log:
        await log.admin().ensure_topics(topics.values())
        for inbox, (at, mode, kill, size), group in rounds:
            for key, amount, number in inbox:
                one = ledger.record(ledger.Put(amount=amount), key=key, id=f"{key}-{number}")
                await histories.append(log, one)
            faults = FaultyLog(log, at=at, mode=mode, kill=kill, group=group)
            with suppress(KilledError):
                await histories.run_dry(faults, max_records=size)
            await histories.check_commits(log)
        await histories.finish(log)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.lists(_puts, min_size=1, max_size=5), _faults, _owners), max_size=5))
def test_r08_whatever_happens_the_log_holds_what_its_inbox_asks_for(rounds):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_history(Path(folder), rounds))
