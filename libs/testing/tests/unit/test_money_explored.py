"""R25-R27, R14, R20: a collaboration and its account in every order, on the real code."""

from collections import deque
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

import pytest

from facilitair_events.definitions import Retry
from facilitair_money import charges
from facilitair_testing.funded import model, priced
from facilitair_testing.inbox import definition, step
from facilitair_testing.mutation import Mutation, mutation
from facilitair_testing.promises import BrokenPromiseError, promised
from facilitair_workflows.reducing import ending, funds, funds_charges, funds_requests

money: Any = import_module("libs.testing.tests.unit.money_world")
Case = money.Case

ONCE: Final = Retry(max_attempts=1, max_lost=0)
AGAIN: Final = Retry(max_attempts=1, max_lost=1)
MOST_STATES: Final = 60_000


def chain(on_budget: str = "finish", retry: Retry = ONCE) -> Any:
    wanted = definition(step("a", retry=retry), step("b", "a", retry=retry), output="b")
    return priced(wanted, model(), on_budget=on_budget)


def one() -> Any:
    return priced(definition(step("a", retry=ONCE), output="a"), model())


def wide(on_budget: str = "finish", retry: Retry = ONCE) -> Any:
    wanted = definition(step("a", retry=retry), step("b", retry=retry), output="b")
    return priced(wanted, model(), on_budget=on_budget)


def cheaper() -> Any:
    return priced(
        definition(step("a", retry=AGAIN), step("b", "a", retry=ONCE), output="b"),
        model("m", "1"),
        model("n", "0.5"),
        on_budget="cheaper",
    )


CASES: dict[str, Any] = {
    "one after the other": Case(definition=chain(), limit=Decimal(9)),
    "one call": Case(definition=one(), limit=Decimal(9), copies=3, lates=2),
    "side by side": Case(definition=wide(), limit=Decimal(9), copies=0),
    "one is lost and made again": Case(definition=chain(retry=AGAIN), limit=Decimal(9), copies=0),
    "a zombie and a lost attempt": Case(
        definition=chain(retry=AGAIN), limit=Decimal(9), cancels=False, lates=0
    ),
    "enough for one at a time": Case(definition=wide(), limit=Decimal("1.5")),
    "enough for one and a pause": Case(definition=wide("pause"), limit=Decimal("1.2"), copies=0),
    "a pause in mid-run": Case(definition=chain("pause"), limit=Decimal("1.2")),
    "one slot": Case(definition=wide(), limit=Decimal(9), slots=1, copies=0),
    "a slot that another has": Case(definition=chain(), limit=Decimal(9), slots=1, busy=True),
    "others spend too": Case(definition=wide("pause"), limit=Decimal("2.5"), noise=True, copies=0),
    "more is counted": Case(definition=chain("pause"), limit=Decimal("2.2"), shorts=2, copies=0),
    "more is counted and another runs": Case(
        definition=wide("pause"), limit=Decimal("2.2"), shorts=1, copies=0
    ),
    "cheaper": Case(definition=cheaper(), limit=Decimal("2.6"), noise=True, copies=0, lates=0),
    "its own budget": Case(
        definition=wide("pause"), limit=Decimal(9), own=Decimal("1.5"), copies=0
    ),
    "nothing at all": Case(definition=chain(), limit=Decimal("0.5"), copies=2),
}


def explore(case: Any) -> int:
    """See every state; returns how many there are. Raises BrokenPromiseError."""
    start = money.begun(case)
    seen, waiting = {money.shape(start)}, deque([start])
    while waiting:
        world = waiting.popleft()
        for after in money.following(world):
            what = money.shape(after)
            if what not in seen:
                money.check(after)
                seen.add(what)
                waiting.append(after)
        with promised("states are few enough to see all"):
            assert len(seen) < MOST_STATES
    return len(seen)


@pytest.mark.parametrize("name", CASES)
def test_r26_every_order_keeps_its_promises(name: str) -> None:
    assert explore(CASES[name]) > 20


MUTANTS: dict[str, tuple[str, str, Mutation]] = {
    "nobody looks whether it is paid": (
        "no call without reserved money",
        "enough for one at a time",
        mutation(funds, "_start_waiting", ("funds.slots and pool.take(need)", "funds.slots")),
    ),
    "slots are not counted": (
        "slots are kept",
        "one slot",
        mutation(funds, "_start_waiting", ("free -= 1", "free -= 0")),
    ),
    "the end is not told": (
        "nothing stays reserved",
        "one after the other",
        mutation(ending, "_finish", ("    funds_requests.close(draft)\n", "")),
    ),
    "a pause takes the money of what runs": (
        "no call without reserved money|slots are kept",
        "more is counted and another runs",
        mutation(funds, "follow_up", ("funds.slots and not _open_attempts(draft)", "funds.slots")),
    ),
    "an old answer counts": (
        "no call without reserved money",
        "a zombie and a lost attempt",
        mutation(funds, "on_answered", ("or answer.n != funds.asked ", "")),
    ),
    "money is used and given back": (
        "no call without reserved money",
        "one is lost and made again",
        mutation(
            funds_charges,
            "on_counted",
            ("replace(step, reserved_usd=None, needed_usd=None, shorts=0)", "step"),
        ),
    ),
    "silence costs nothing": (
        "what was billed",
        "one after the other",
        mutation(
            ending,
            "count_unknown",
            ("        funds_charges.on_counted(draft, outcome)\n", "        pass\n"),
        ),
    ),
    "its own budget is overheard": (
        "never over its own budget",
        "its own budget",
        mutation(funds, "_affordable", ("limit is None", "True")),
    ),
    "numbers begin anew": (
        "numbered without a gap",
        "one after the other",
        mutation(funds_requests, "_return", ("draft), asked=0", "draft), n=0, asked=0")),
    ),
    "the stub forgets its numbers": (
        "what was billed",
        "one after the other",
        mutation(ending, "_shrink", ("status=ending.kind,", "status=ending.kind, funds=None,")),
    ),
    "the stub forgets what was charged": (
        "what is spent",
        "one after the other",
        mutation(
            ending, "_shrink", ("request_digest=None)", "request_digest=None, charged_usd=None)")
        ),
    ),
    "a repeated charge counts": (
        "what is spent",
        "one after the other",
        mutation(charges, "on_call_charged", ("elif data.n <= envelope.n:", "elif False:")),
    ),
}


@pytest.mark.parametrize("what", MUTANTS)
def test_r26_a_broken_rule_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    promise, case, broken = MUTANTS[what]
    broken.apply(monkeypatch)
    with pytest.raises(BrokenPromiseError, match=promise):
        explore(CASES[case])
