"""D12 for a worker: standing still is a fault, being busy is none."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from facilitair_agent_worker.worker import AgentWorker
from facilitair_events.topics import COLLABORATION_INBOX, LLM_CALLS
from facilitair_runtime.settings import HealthGroup
from facilitair_testing.desk import Desk, task
from facilitair_testing.eventually import eventually
from facilitair_testing.scripted_model import ScriptedModel

RunWorker = Callable[..., Any]
HEALTH = HealthGroup(silent_s=1e6, stuck_s=60)


@pytest.fixture
def later(monkeypatch) -> Callable[[AgentWorker, float], Any]:
    """What fails in a worker that looks again so many seconds later."""
    ahead_s = 0.0

    async def look(worker: AgentWorker, seconds: float) -> list[str]:
        nonlocal ahead_s
        ahead_s += seconds
        clock = lambda: time.monotonic() + ahead_s  # noqa: E731 - the clock of now
        monkeypatch.setattr(worker.vitals, "_clock", clock)
        await worker.vitals.look()
        return [one.condition for one in worker.vitals.not_live()]

    return look


async def busy(desk: Desk, model: ScriptedModel) -> None:
    """The only slot is taken by a call, and three tasks wait for it."""
    model.hold_at = 0
    for path in ("a", "b", "c", "d"):
        await desk.give(task(path))
    await desk.wait_for(LLM_CALLS, 1)
    await eventually(lambda: model.calls, what="the first call")


async def test_d12_a_worker_whose_slots_are_all_busy_is_not_wedged(
    desk: Desk, run_worker: RunWorker, later
) -> None:
    model = ScriptedModel("text")
    async with run_worker(model, calls_in_flight=1, health=HEALTH) as worker:
        await busy(desk, model)
        for _ in range(5):
            assert await later(worker, 100) == []
        assert worker.ready(), "lag is no reason to send nothing"
        model.gate.set()
        await desk.wait_for(COLLABORATION_INBOX, 8)
        await eventually(lambda: worker._loop.stuck_since is None)  # noqa: SLF001 - all is handled
        await eventually_live(worker, later)


async def test_d12_calls_that_outlive_their_time_are_no_excuse(
    desk: Desk, run_worker: RunWorker, later, monkeypatch
) -> None:
    model = ScriptedModel("text")
    async with run_worker(model, calls_in_flight=1, health=HEALTH) as worker:
        await busy(desk, model)
        due = worker._attempts._due  # noqa: SLF001 - a call that its own deadline did not end
        monkeypatch.setattr(worker._attempts, "_due", dict.fromkeys(due, 0.0))  # noqa: SLF001
        assert await later(worker, 0) == []
        assert await later(worker, 59) == []
        assert set(await later(worker, 2)) == {"no_progress"}
        model.gate.set()
        await desk.wait_for(COLLABORATION_INBOX, 8)
        await eventually_live(worker, later)


async def eventually_live(worker: AgentWorker, later) -> None:
    async def lives() -> bool:
        return await later(worker, 0) == []

    await eventually(lives, what="the worker to be live again")


async def test_i14_a_worker_that_takes_nothing_though_it_could_is_wedged(
    desk: Desk, run_worker: RunWorker, later, monkeypatch
) -> None:
    model = ScriptedModel("text")
    async with run_worker(model, calls_in_flight=2, health=HEALTH) as worker:
        monkeypatch.setattr(worker._rebuilds, "wait", _never)  # noqa: SLF001 - a task that hangs
        await desk.give(task("a"))
        await eventually(lambda: worker._loop.stuck_since)  # noqa: SLF001 - it was read
        assert await later(worker, 0) == []
        assert await later(worker, 59) == []
        assert await later(worker, 2) == ["no_progress"]
        monkeypatch.undo()


async def _never(_tp: object) -> None:
    await asyncio.Event().wait()


async def test_d12_a_worker_that_does_not_poll_is_not_live(run_worker: RunWorker) -> None:
    async with run_worker(ScriptedModel("x"), health=HealthGroup(silent_s=30)) as worker:
        assert worker.live()
        worker._loop._last_poll -= 30  # noqa: SLF001 - as if it had not polled
        (failing,) = worker.vitals.not_live()
        assert "the loop of agent-tasks has not moved" in failing.detail
        await eventually(worker.live)


async def test_d12_why_a_worker_is_not_ready_is_told(run_worker: RunWorker) -> None:
    async with run_worker(ScriptedModel("x")) as worker:
        assert worker.vitals.not_ready() == ()
    conditions = [one.condition for one in worker.vitals.not_ready()]
    assert conditions == ["not_assigned", "reading_credentials"]
