"""Interactive work goes first, and batch work gets its share all the same."""

import asyncio

import pytest

from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_agent_worker.slots import CallSlots
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import load


class Line:
    """Calls that wait for a slot; a test sees in which order they get one."""

    def __init__(self, *, limit: int = 1, share: float = 0.2) -> None:
        self.slots = CallSlots(limit=limit, batch_share=share)
        self.begun: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def stand(self, priority, count: int = 1) -> None:
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._take(priority)))
        await asyncio.sleep(0)

    async def _take(self, priority) -> None:
        await self.slots.acquire(priority)
        self.begun.append(priority)

    async def end(self, priority) -> None:
        self.slots.release(priority)
        await asyncio.sleep(0)

    async def turns(self, count: int) -> list[str]:
        """Who begins next, each as soon as the one before has ended."""
        first = len(self.begun)
        for _ in range(count):
            await self.end(self.begun[-1])
        return self.begun[first:]


async def test_either_class_may_use_all_while_the_other_is_idle() -> None:
    for priority in ("interactive", "batch"):
        line = Line(limit=3)
        await line.stand(priority, 4)
        assert line.begun == [priority] * 3
        assert line.slots.locked()
        await line.end(priority)
        assert line.begun == [priority] * 4


async def test_interactive_goes_first_and_one_in_five_is_batch() -> None:
    line = Line()
    await line.stand("interactive")
    await line.stand("batch", 20)
    await line.stand("interactive", 20)
    assert await line.turns(10) == ([*["interactive"] * 4, "batch"] * 2)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10), (0.25, 5), (0.1, 2)])
async def test_the_share_is_what_is_set(share: float, expected: int) -> None:
    line = Line(share=share)
    await line.stand("interactive")
    await line.stand("batch", 30)
    await line.stand("interactive", 30)
    assert (await line.turns(20)).count("batch") == expected


async def test_batch_above_its_share_waits_for_all_interactive_ones() -> None:
    line = Line(limit=10)
    await line.stand("batch", 12)
    await line.stand("interactive", 12)
    for _ in range(8):
        await line.end("batch")
    assert line.begun == ["batch"] * 10 + ["interactive"] * 8


async def test_long_batch_calls_hold_no_more_than_their_share() -> None:
    line = Line(limit=10)
    await line.stand("interactive", 10)
    await line.stand("batch", 50)
    await line.stand("interactive", 50)
    for _ in range(40):  # interactive calls end, batch calls never do
        await line.end("interactive")
    assert line.begun.count("batch") == 2


async def test_who_is_cancelled_leaves_the_line() -> None:
    line = Line()
    await line.stand("interactive")
    await line.stand("batch", 3)
    line.tasks[1].cancel()
    await asyncio.sleep(0)
    await line.end("interactive")
    assert line.begun == ["interactive", "batch"]
    line.tasks[3].cancel()
    await asyncio.sleep(0)
    await line.end("batch")
    assert not line.slots.locked()


async def test_who_is_cancelled_with_a_slot_in_hand_passes_it_on() -> None:
    line = Line()
    await line.stand("interactive")
    await line.stand("interactive", 2)
    line.slots.release("interactive")
    line.tasks[1].cancel()
    await asyncio.gather(line.tasks[1], return_exceptions=True)
    await asyncio.sleep(0)
    assert line.tasks[2].done()
    assert line.slots.locked()


@pytest.mark.parametrize("share", ["0", "1", "x"])
def test_a_share_that_would_starve_somebody_is_refused(share: str, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path))
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_BATCH_SHARE", share)
    with pytest.raises(SettingsError, match=r"(?i)batch_share"):
        load(AgentWorkerSettings)
