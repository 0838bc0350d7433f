"""What ``describe`` shows of money: held, charged, waited for."""

from decimal import Decimal

from facilitair_events.state import CallState, CollaborationState, FundsState, StepState
from facilitair_events.text import inline
from facilitair_workflows.reducing.view import view_of

STEPS = {
    "a": StepState(path="a", step="a", attempts=1, open=1, reserved_usd=Decimal("0.25")),
    "b": StepState(path="b", step="b", funding="first"),
    "c": StepState(path="c", step="c", attempts=1, reserved_usd=Decimal(9)),
}
CALLS = {
    "x": CallState(path="a", attempt=1, index=0, outcome="unknown", charged_usd=Decimal("0.5")),
    "y": CallState(path="a", attempt=1, index=0, outcome="void"),
}


def shown(funds: FundsState | None):
    state = CollaborationState(
        tenant="t", collaboration="c", project="p", actor="a", status="running", logic=3,
        workflow="w", workflow_version="1", body_digest="d", stream_start=0, task=inline("t"),
        created_ms=0, now_ms=0, funds=funds,
    )  # fmt: skip
    return view_of(state, changed_ms=0, steps=STEPS, calls=CALLS)


def test_what_is_held_is_what_open_attempts_and_nobody_yet_have() -> None:
    unused = {"a": Decimal("0.10"), "b": Decimal("0.15")}
    view = shown(FundsState(n=1, unused=unused, slots=2, limit_usd=Decimal(3)))
    assert (view.reserved_usd, view.slots, view.budget_usd) == (Decimal("0.50"), 2, Decimal(3))
    assert [step.reserved_usd for step in view.steps] == [Decimal("0.25"), None, None]
    assert [step.funding for step in view.steps] == [None, "first", None]
    assert [call.charged_usd for call in view.calls] == [Decimal("0.5"), None]


def test_where_nobody_keeps_accounts_it_is_null() -> None:
    view = shown(None)
    assert (view.reserved_usd, view.slots, view.budget_usd) == (None, None, None)
