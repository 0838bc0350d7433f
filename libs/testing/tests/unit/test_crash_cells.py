"""A cell that cannot be run is told as such, never as passed."""

from contextlib import asynccontextmanager

import pytest

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.crash_points import marker
from facilitair_testing.crash_cells import run_cell
from facilitair_testing.crash_table import Cell

CELL = Cell(service="gateway", point="before_reply", n=1)


class Refusing:
    """A victim that does not even start."""

    log = "solo"
    lease_ms = 0
    url = "http://127.0.0.1:9"

    def __init__(self, home):
        self.home = home
        self.journal = home / "journal.jsonl"

    async def start(self, spec):
        assert spec == "gateway/before_reply:1"
        raise ChildProcessError(spec)

    @asynccontextmanager
    async def open_log(self):
        registry = Registry.load(topics_dir())
        async with EmbeddedLog.open(self.home / "log.db", registry.topics) as log:
            await log.admin().ensure_topics(registry.topics.values())
            yield log


@pytest.mark.parametrize("left_over", [False, True])
async def test_what_does_not_start_is_void_and_a_violation(tmp_path, left_over):
    path = marker(tmp_path, service="gateway", point="before_reply")
    if left_over:
        path.parent.mkdir(parents=True)
        path.touch()
    row, found = await run_cell(CELL, Refusing(tmp_path))
    assert not row.reached
    assert found == []
    assert row.recovery_s is None
    (told,) = row.violations
    assert "it does not go on: ChildProcessError gateway/before_reply:1" in told
