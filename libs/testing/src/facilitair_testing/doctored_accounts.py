"""One legal run with an account that holds something of everything, for tests that spoil it."""

from decimal import Decimal
from functools import cache
from typing import Final

from facilitair_events.accounts import CallCorrection
from facilitair_events.budgets import Budget, Limit, SlotLimits
from facilitair_events.definitions import Definition, Model, Prices
from facilitair_testing.funded import REQUIRED, priced
from facilitair_testing.inbox import definition, step
from facilitair_testing.scripted_account import reconcile, set_budget
from facilitair_testing.scripted_run import ScriptedRun
from facilitair_testing.scripted_viewer import view
from facilitair_testing.scripted_worker import ScriptedWorker, take

_DOLLARS: Final = Decimal(1000)
COST: Final = Decimal("0.002")
"""Of one token read and one written, at a thousand dollars for a million."""

MODEL: Final = Model(
    name="m",
    provider="p",
    context_window=10_000,
    max_output_tokens=1000,
    prices=Prices(input=_DOLLARS, output=_DOLLARS, version="2026-01"),
)

BUDGET: Final = Budget(
    limits=(
        Limit(scope="tenant", window="month", usd=Decimal(40)),
        Limit(scope="tenant", window="total", usd=Decimal("0.001"), kind="warning"),
        Limit(scope="agent", window="total", usd=Decimal("0.5"), name="dear"),
    ),
    slots=SlotLimits(interactive=2),
)


class AccountScene:
    """A run with an account and six collaborations, each with its own money.

    ``paid`` has two steps and completes. ``late`` goes silent, is charged what was set aside, and
    says after its end what it cost. ``reconciled`` goes silent too, and somebody settles it.
    ``refused`` asks for more than its agent has left. ``queued`` waited for a slot.
    ``stopped`` is cancelled before anybody took its task.
    """

    def __init__(self) -> None:
        self.run = run = ScriptedRun()
        self.worker = ScriptedWorker(run, bills=COST)
        self.other = ScriptedWorker(run, "w2", bills=COST)
        set_budget(run, BUDGET)
        self.paid = self._paid()
        self.late = self._late()
        self.reconciled = self._reconciled()
        self.refused = self.submit(definition(step("dear"), output="dear"), key="refused")
        self.queued = self._queued()
        for ident in (self.paid, self.late, self.reconciled, self.refused, self.queued):
            view(run, ident)

    def submit(self, wanted: Definition, *, key: str) -> str:
        """Ask for a collaboration whose agents have a price."""
        return self.run.submit(priced(wanted, MODEL), key=key, policy=REQUIRED)

    def _paid(self) -> str:
        ident = self.submit(definition(step("a"), step("b", "a"), output="b"), key="paid")
        self.worker.answer(take(self.run), "one")
        self.worker.answer(take(self.run), "two")
        return ident

    def _late(self) -> str:
        ident = self.submit(definition(step("a"), output="a"), key="late")
        task = take(self.run)
        nonce = self.worker.lose(task, "on", watcher=self.other)
        self.other.answer(take(self.run), "again")
        self.worker.wake(task, "on", "ce", nonce=nonce)
        return ident

    def _reconciled(self) -> str:
        ident = self.submit(definition(step("a"), output="a"), key="reconciled")
        task = take(self.run)
        self.worker.lose(task, "on", watcher=self.other)
        self.other.answer(take(self.run), "again")
        correction = CallCorrection(call_id=self.worker.call_id(task), cost_usd=Decimal("0.001"))
        reconcile(self.run, correction)
        return ident

    def _queued(self) -> str:
        first = [
            self.submit(definition(step("a"), output="a"), key=f"first {number}")
            for number in range(2)
        ]
        tasks = [take(self.run) for _ in first]
        ident = self.submit(definition(step("a"), output="a"), key="queued")
        for task in tasks:
            self.worker.answer(task, "done")
        self.worker.answer(take(self.run), "at last")
        for other in first:
            view(self.run, other)
        return ident


@cache
def account_scene() -> AccountScene:
    """The one legal run that all of them spoil; nobody changes it."""
    return AccountScene()
