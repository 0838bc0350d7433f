"""What one inbox record costs the reducer, by the number of steps of its collaboration."""

import time
from decimal import Decimal

import msgspec

from benchmarks.bench import Bench
from benchmarks.readings import MICROSECONDS, Reading
from facilitair_events.decision import Received
from facilitair_events.definitions import Definition
from facilitair_events.requests import AttemptReported
from facilitair_events.state import CollaborationState
from facilitair_events.text import inline
from facilitair_events.work import RunAttempt
from facilitair_testing.inbox import call_reported, definition, requested, step
from facilitair_workflows.decide import decide

SIZES = (10, 100, 1000)
TEXT = inline("A text of an agent. " * 20)
AT_MS = 1_700_000_000_000


def measure(bench: Bench) -> list[Reading]:
    """A chain of steps from its request to its end; the mean CPU time over all its records."""
    return [
        Reading(
            f"reducer, per record of a {steps}-step collaboration", _record_us(steps), MICROSECONDS
        )
        for steps in bench.pick(SIZES, quick=(2,))
    ]


def _record_us(steps: int) -> float:
    fold = _Fold()
    fold.feed(requested(_chain(steps)))
    while fold.task is not None:
        task, fold.task = fold.task, None
        fold.feed(call_reported(task, output=TEXT, cost_usd=Decimal("0.001")))
        fold.feed(
            AttemptReported(path=task.path, attempt=task.attempt, outcome="completed", output=TEXT)
        )
    if fold.state is None or fold.state.status != "completed":
        raise ValueError(fold.state)
    return fold.took_s / fold.offset * 1e6


def _chain(steps: int) -> Definition:
    names = [f"s{number}" for number in range(steps)]
    chained = [step(name, *names[max(n - 1, 0) : n]) for n, name in enumerate(names)]
    return definition(*chained, output=names[-1])


class _Fold:
    """The fold of an inbox; only `decide` is timed."""

    def __init__(self) -> None:
        self.state: CollaborationState | None = None
        self.task: RunAttempt | None = None
        self.offset = 0
        self.took_s = 0.0

    def feed(self, data: msgspec.Struct) -> None:
        record = Received(
            tenant="local",
            subject="c1",
            offset=self.offset,
            at_ms=AT_MS + self.offset,
            id=f"e{self.offset}",
            data=data,
        )
        began = time.thread_time()
        decision = decide(self.state, record)
        self.took_s += time.thread_time() - began
        self.offset += 1
        self.state = decision.state
        for command in decision.commands:
            if isinstance(command.data, RunAttempt):
                self.task = command.data
