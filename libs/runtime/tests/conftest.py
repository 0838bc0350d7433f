"""An embedded log with the topics of the ledger."""

from contextlib import asynccontextmanager

import pytest

from facilitair_events import types
from facilitair_messaging.adapters.embedded import EmbeddedLog
from libs.runtime.tests import ledger


@pytest.fixture(autouse=True)
def _ledger_types(monkeypatch):
    for name, struct in ledger.TYPES.items():
        monkeypatch.setitem(types.TYPES, name, struct)
        monkeypatch.setitem(types.NAMES, struct, name)


@pytest.fixture
def open_log(tmp_path):
    """Open the log of this test; a second time after the first is closed."""

    @asynccontextmanager
    async def opened(name="log.db", *, partitions=1, **options):
        topics = ledger.registry(partitions)
        async with EmbeddedLog.open(tmp_path / name, topics.topics, **options) as log:
            await log.admin().ensure_topics(topics.topics.values())
            yield log

    return opened


@pytest.fixture
async def log(open_log):
    async with open_log() as log:
        yield log
