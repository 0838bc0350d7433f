"""Whatever may happen to collaborations that have an account, their books are judged legal."""

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facilitair_events.budgets import Budget, Limit, SlotLimits
from facilitair_events.definitions import Definition, Retry
from facilitair_testing.doctored_accounts import COST, MODEL
from facilitair_testing.funded import REQUIRED, priced
from facilitair_testing.history import judge
from facilitair_testing.inbox import definition, step
from facilitair_testing.scripted_account import set_budget
from facilitair_testing.scripted_run import ScriptedRun, Task
from facilitair_testing.scripted_viewer import view
from facilitair_testing.scripted_worker import ScriptedWorker, take

QUICK = Retry(max_attempts=2, max_lost=2, backoff_s=0.1)
DEFINITIONS: list[Definition] = [
    definition(step("a", retry=QUICK), step("b", "a", retry=QUICK), output="b"),
    definition(step("a", retry=QUICK), step("b", retry=QUICK), step("c", "a", "b"), output="c"),
    definition(step("a", retry=QUICK), step("b", "a"), output="b", on_budget="pause"),
    definition(step("a", budget_usd=Decimal(2), retry=QUICK), output="a"),
]
ENDS = {"refused", "completed", "failed", "cancelled", "expired"}
TIMERS = ("retry", "ending", "attempt_stop", "attempt_timeout", "reserve", "deadline")
BUDGETS = [
    Budget(),
    Budget(slots=SlotLimits(interactive=1)),
    Budget(limits=(Limit(scope="tenant", window="day", usd=Decimal(3)),)),
    Budget(
        limits=(
            Limit(scope="agent", window="total", usd=Decimal(2), name="b"),
            Limit(scope="collaboration", window="total", usd=Decimal(4)),
            Limit(scope="tenant", window="month", usd=Decimal("0.003"), kind="warning"),
        ),
        slots=SlotLimits(interactive=2),
    ),
]
ACTIONS = st.sampled_from(
    [
        "answer", "answer", "fail", "lose", "wake", "lose result", "void", "cancel", "repeat",
        "timer", "budget", "expire",
    ]
)  # fmt: skip


class Play:
    """Two workers, some users, an administrator, and what may happen to them."""

    def __init__(self, budget: Budget) -> None:
        self.run = ScriptedRun()
        self.worker = ScriptedWorker(self.run, bills=COST)
        self.other = ScriptedWorker(self.run, "w2", bills=COST)
        self.idents: list[str] = []
        set_budget(self.run, budget)

    def submit(self, wanted: Definition) -> None:
        key = f"key-{len(self.idents)}"
        self.idents.append(self.run.submit(priced(wanted, MODEL), key=key, policy=REQUIRED))

    def act(self, name: str, *, pick: int) -> None:
        ident = self.idents[pick % len(self.idents)]
        if name == "cancel" and self.run.status(ident) not in ENDS:
            self.run.cancel(ident)
        elif name == "budget":
            set_budget(self.run, BUDGETS[pick % len(BUDGETS)])
        elif name == "repeat":
            self.run.repeat()
        elif name in {"timer", "expire"}:
            wanted = "retry" if name == "timer" else "deadline"
            if wanted in self.run.timers(ident):
                self.run.fire(ident, wanted)
        elif self.run.tasks:
            self.work(name, take(self.run))

    def work(self, name: str, task: Task) -> None:
        digest = f"q{next(self.run.numbers)}"
        if not self._open(task):
            self.worker.refuse(task)
        elif name == "fail":
            self.worker.fail(task, "so", code="overloaded")
        elif name == "void":
            self.worker.void(task)
        elif name == "lose result":
            self.worker.lose_result(task, "so", digest=digest, watcher=self.other)
        elif name in {"lose", "wake"}:
            nonce = self.worker.lose(task, "so", watcher=self.other)
            if name == "wake":
                self.worker.wake(task, "so", nonce=nonce)
        else:
            self.worker.answer(task, "so", digest=digest)

    def finish(self) -> None:
        """Bring everything to its end, then look at it."""
        for _ in range(300):
            left = [i for i in self.idents if self.run.status(i) not in ENDS]
            if self.run.tasks:
                self.work("answer", take(self.run))
            elif left:
                self._push(left)
            else:
                break
        for ident in self.idents:
            assert self.run.status(ident) in ENDS
            view(self.run, ident)

    def _push(self, left: list[str]) -> None:
        """What is paused is given up; else the next timer is due, of whoever has one."""
        paused = [ident for ident in left if self.run.status(ident) == "paused"]
        timed = [ident for ident in left if self.run.timers(ident)]
        if paused:
            self.run.cancel(paused[0])
        elif timed:
            timers = self.run.timers(timed[0])
            self.run.fire(timed[0], next(name for name in TIMERS if name in timers))
        else:
            self.run.cancel(left[0])

    def _open(self, task: Task) -> bool:
        held: Any = self.run.folds[f"local:{task.data.collaboration}"].standing.held
        if held is None or held.state.status in {"cancelling", "finishing", *ENDS}:
            return False
        return bool(held.state.steps[task.data.path].open == task.data.attempt)


@given(
    st.sampled_from(BUDGETS),
    st.lists(st.sampled_from(DEFINITIONS), min_size=1, max_size=4),
    st.lists(st.tuples(ACTIONS, st.integers(0, 99)), max_size=25),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_may_happen_to_money_is_judged_legal(
    budget: Budget, wanted: list[Definition], actions: list[tuple[str, int]]
) -> None:
    play = Play(budget)
    for each in wanted:
        play.submit(each)
    for name, pick in actions:
        play.act(name, pick=pick)
    assert judge(play.run.history(), lease_ms=play.run.lease_ms, ended=False) == []
    play.finish()
    assert judge(play.run.history(), lease_ms=play.run.lease_ms) == []
