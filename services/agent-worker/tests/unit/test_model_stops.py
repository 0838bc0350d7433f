"""A stop outlives the task it is about, wherever the log keeps both (R23).

``gap-stop-expires-before-the-task`` of the model of calls: a task that waited while its
collaboration was cancelled is not paid for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.requests import AttemptReported
from facilitair_events.topics import (
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_INBOX,
    WORKER_CONTROL,
)
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_testing.clock import FakeClock
from facilitair_testing.desk import Desk, task
from facilitair_testing.promises import BrokenPromiseError, promised
from facilitair_testing.scripted_model import ScriptedModel

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def registry() -> Registry:
    return Registry.load(topics_dir())


def kept_less(registry: Registry, retention_ms: int) -> Registry:
    """The topics, with stops kept for so long."""
    stops = structs.replace(registry.spec(WORKER_CONTROL), retention_ms=retention_ms)
    return Registry(dict(registry.topics) | {WORKER_CONTROL: stops})


def check_stops(registry: Registry) -> None:
    """A broker deletes whole segments: the last task of one lives for a segment longer."""
    kept_ms = registry.spec(WORKER_CONTROL).retention_ms
    assert kept_ms is not None
    for name in (AGENT_TASKS, AGENT_TASKS_BATCH):
        tasks = registry.spec(name)
        assert tasks.retention_ms is not None
        with promised("a stop expires before its task"):
            assert kept_ms > tasks.retention_ms + (tasks.segment_ms or 0)


async def no_request_for_a_cancelled_attempt(
    registry: Registry, *, path: Path, run_worker: Callable[..., Any]
) -> None:
    """A task waits for a worker for days; it was stopped on the first."""
    clock, model = FakeClock(), ScriptedModel("x")
    async with EmbeddedLog.open(path / "days.db", registry.topics, clock=clock) as log:
        await log.admin().ensure_topics(registry.topics.values())
        desk = Desk(log)
        await desk.give(task())
        await desk.stop()
        clock.advance(7 * DAY_MS - HOUR_MS)
        await log.clean()
        async with run_worker(model, on=log):

            async def told() -> list[Any]:
                found = await desk.read(COLLABORATION_INBOX)
                return [report for report in found if isinstance(report, AttemptReported)]

            await desk.wait_for(COLLABORATION_INBOX, 1)
            with promised("request for a cancelled attempt"):
                assert model.requests == []
            [report] = await told()
    assert (report.outcome, report.fault.code) == ("failed", "stopped")


async def test_r23_a_stop_reaches_a_task_that_waited_for_days(
    registry: Registry, tmp_path: Path, run_worker: Callable[..., Any]
) -> None:
    await no_request_for_a_cancelled_attempt(registry, path=tmp_path, run_worker=run_worker)


async def test_r23_a_stop_that_expires_first_lets_the_request_go(
    registry: Registry, tmp_path: Path, run_worker: Callable[..., Any]
) -> None:
    short = kept_less(registry, HOUR_MS)
    with pytest.raises(BrokenPromiseError, match="request for a cancelled attempt"):
        await no_request_for_a_cancelled_attempt(short, path=tmp_path, run_worker=run_worker)


def test_r23_stops_are_kept_longer_than_any_task_can_be_read(registry: Registry) -> None:
    check_stops(registry)


@pytest.mark.parametrize("retention_ms", [HOUR_MS, 7 * DAY_MS, 8 * DAY_MS])
def test_r23_stops_that_are_kept_less_are_found(registry: Registry, retention_ms: int) -> None:
    with pytest.raises(BrokenPromiseError):
        check_stops(kept_less(registry, retention_ms))
