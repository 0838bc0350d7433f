"""The real workers under random schedules, against the invariants of the model of calls.

Sends, reads, answers, stops, deaths and moves of the partition happen in any order. A worker that
runs does all it has to do before the clock goes on; one that is stopped does nothing.
"""

import asyncio
import random
from collections import Counter
from importlib import import_module
from typing import Any

import pytest

from facilitair_agent_worker.attempts import Attempts
from facilitair_agent_worker.claims import Claims
from facilitair_agent_worker.leased import LeasedSilence
from facilitair_testing.mutation import mutation
from facilitair_testing.promises import BrokenPromiseError

world_of_workers: Any = import_module("services.agent-worker.tests.world")
World, Process = world_of_workers.World, world_of_workers.Process
advance, drain, finish = world_of_workers.advance, world_of_workers.drain, world_of_workers.finish
settle = world_of_workers.settle

STEPS = 50
SCHEDULES = 100
"""Schedules per test; all are the same in every run."""

USUAL = {"stop": 1, "kill": 1, "move": 1}
RULES: dict[str, dict[str, int]] = {
    "rules": USUAL,
    "rules-two-stops": {"stop": 2, "move": 1},
    "rules-more-faults": {"stop": 2, "kill": 1, "move": 2},
    "rules-three-attempts": {"stop": 1, "move": 1},
    "rules-long-call": USUAL | {"slow": 1},
    "rules-ambiguous": USUAL | {"doubt": 1},
    "rules-cancel": USUAL | {"cancel": 1},
    "rules-refusal": USUAL | {"refuse": 1},
}
"""The faults of the model's cases that must hold; a step may always be lost twice."""

Step = tuple[str, Any]


def steps(world: World, faults: Counter[str]) -> list[Step]:
    """What may happen now."""
    found: list[Step] = [("tick", None)] * 4
    if world.late:
        found.append(("late", None))
    if world.busy() and faults["cancel"]:
        found.append(("cancel", None))
    for process in world.living():
        if process.stopped:
            found.append(("go on", process))
            continue
        # Answers are rare, so that calls outlive leases.
        found += [(step, process) for step in process.possible() if step != "answer"] * 2
        found += [("answer", process)] * bool(process.answers and not faults["slow"])
        # A fault where nothing is under way proves nothing.
        if world.busy():
            found += [(fault, process) for fault in ("stop", "stop", "kill") if faults[fault]]
            found += [("refuse", process)] * bool(faults["refuse"])
            if process.sends and faults["doubt"]:
                found += [(f"doubt: {how}", process) for how in ("written", "lost", "late")]
        if process is not world.owner and (_ownerless(world) or (world.busy() and faults["move"])):
            found += [("move", process)] * 2
    return found


def _ownerless(world: World) -> bool:
    return world.owner is None or not world.owner.active


async def perform(world: World, step: Step, faults: Counter[str]) -> None:
    """Let one step happen."""
    name, process = step
    if name == "tick":
        await advance(world)
    elif name == "cancel":
        faults["cancel"] -= 1
        world.cancel()
    elif name == "late":
        world.append(world.late.pop(0), by=None)
    elif process is not None:
        await _perform(world, name, process=process, faults=faults)
    await settle()
    world.check()
    for one in world.living():
        assert not one.running.done(), one.running.exception()


async def _perform(world: World, name: str, *, process: Process, faults: Counter[str]) -> None:
    fault = name.split(":", maxsplit=1)[0]
    faults[fault] -= fault in {"stop", "kill", "doubt", "refuse"} or (
        name == "move" and not _ownerless(world)
    )
    if fault == "doubt":
        lost = process.land(written=name == "doubt: written", acked=False)
        world.late += lost if name == "doubt: late" else []
    elif name == "move":
        await world.move(process)
    elif name == "refuse":
        process.tools.models.clear()
    elif name == "stop":
        process.halt()
    elif name == "go on":
        process.stopped = False
    elif name == "kill":
        await process.end()
        if world.owner is process:
            world.owner = None
    else:
        steps = {
            "land": process.land,
            "read": process.read_one,
            "hear": process.hear_one,
            "answer": process.answer,
            "take": process.take,
        }
        steps[name]()


async def play(seed: int, faults: dict[str, int]) -> World:
    chance, left, world = random.Random(seed), Counter(faults), World()
    for _ in range(2):
        await world.start()
    await world.move(world.all[0])
    try:
        for _ in range(STEPS):
            if world.outcome and not world.busy():
                break
            await perform(world, chance.choice(steps(world, left)), left)
        await finish(world)
    finally:
        for process in world.living():
            await process.end()
    return world


@pytest.mark.parametrize("block", range(2))
def test_r19_r20_r21_hold_under_stops_deaths_moves_and_doubtful_sends(block: int) -> None:
    for seed in range(block * SCHEDULES, (block + 1) * SCHEDULES):
        try:
            asyncio.run(play(seed, {"stop": 2, "kill": 1, "move": 2, "doubt": 2}))
        except AssertionError as error:
            error.add_note(f"schedule {seed}")
            raise


def test_r20_nobody_who_runs_is_declared_however_partitions_move() -> None:
    for seed in range(SCHEDULES):
        world = asyncio.run(play(seed, {"move": 3, "doubt": 2}))
        seen = (world.outcome, world.closed, sum(world.requests.values()))
        assert seen == ("completed", set(), 1), seed


def test_without_faults_every_step_completes_with_one_request() -> None:
    for seed in range(20):
        world = asyncio.run(play(seed, {}))
        assert (world.outcome, sum(world.requests.values())) == ("completed", 1), seed


@pytest.mark.parametrize("name", RULES)
def test_the_rules_hold(name: str) -> None:
    ends = Counter(asyncio.run(play(seed, RULES[name])).outcome for seed in range(25))
    assert ends["completed"]
    assert bool(ends["cancelled"]) == ("cancel" in RULES[name])
    assert bool(ends["failed"]) == ("refuse" in RULES[name])


BROKEN = {
    "nobody renews": mutation(LeasedSilence, "_renew", ("if not self._held:", "if True:")),
    "nobody ticks": mutation(LeasedSilence, "_tick", ("if not foreign:", "if True:")),
    "an old claim is used": mutation(Attempts, "_call", ("if began_s -", "if False and began_s -")),
    "every claim wins": mutation(
        Claims, "_claim", ("if self._ledger.won(", "if ident or self._ledger.won(")
    ),
    "a task is committed unclaimed": mutation(
        Attempts, "_begin",
        ("started = await start()", "started = self._group.create_task(start())"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_the_schedules_find_a_broken_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[name].apply(monkeypatch)
    slow = {"move": 3, "slow": 1}
    faults = slow if name == "nobody renews" else {"stop": 2, "kill": 1, "move": 2, "doubt": 2}
    with pytest.raises(BrokenPromiseError):  # noqa: PT012 - whichever schedule is the first
        for seed in range(SCHEDULES):
            asyncio.run(play(seed, faults))
