"""What calls are charged: once, at their cost, and set right when it is known later."""

from decimal import Decimal

import pytest

from facilitair_events.books import CallReconciled, CallSettled
from facilitair_events.requests import Usage
from facilitair_money import charges
from facilitair_testing.accounting import Account, in_order, limit

DAY_MS = 86_400_000


def _spent(account: Account, key: str) -> Decimal:
    held = account.held.counters.get(key)
    return Decimal(0) if held is None else held.spent_usd


def test_a_charge_is_counted_by_scope_and_window_and_is_an_entry_with_its_call() -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge(
        "c1", "0.4", n=2, reserved_usd="1", usage=Usage(input_tokens=3), price_version="v1"
    )
    assert {key: one.spent_usd for key, one in account.held.counters.items()} == {
        f"{scope}|{window}": Decimal("0.4")
        for scope in ("tenant|*", "project|web", "key|7", "agent|writer")
        for window in ("day", "month", "total")
    }
    (entry,) = account.of(CallSettled)
    assert (entry.call_id, entry.path, entry.attempt, entry.charged_usd, entry.was_usd) == (
        "c1-2", "draft", 1, Decimal("0.4"), None,
    )  # fmt: skip
    assert (entry.usage, entry.price_version) == (Usage(input_tokens=3), "v1")
    envelope = account.envelope()
    assert envelope is not None
    assert envelope.spent_usd == Decimal("0.4")


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_r20_a_later_result_sets_the_money_of_an_unknown_call(outcome) -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge("c1", "1", n=2, outcome="unknown", call_id="a", reserved_usd="1")
    assert list(account.held.unknown) == ["a"]
    account.charge("c1", "0.2", n=3, outcome=outcome, call_id="a", was_usd="1")
    assert _spent(account, "tenant|*|total") == Decimal("0.2")
    assert account.held.unknown == {}
    assert [entry.was_usd for entry in account.of(CallSettled)] == [None, Decimal(1)]


def test_what_the_account_knows_of_a_call_counts_more_than_what_it_is_told() -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge("c1", "1", n=2, outcome="unknown", call_id="a")
    account.charge("c1", "0.2", n=3, call_id="a")
    assert _spent(account, "tenant|*|total") == Decimal("0.2")
    assert account.of(CallSettled)[-1].was_usd == 1


def test_a_call_without_a_price_costs_nothing_and_is_counted() -> None:
    account = Account()
    account.ask("c1", None)
    account.charge("c1", "0", n=2, cost_usd=None, priced=False)
    assert _spent(account, "tenant|*|total") == 0
    (cell,) = account.look(usage=True).view.usage
    assert (cell.calls, cell.unpriced_calls) == (1, 1)


def test_a_result_of_the_next_day_is_money_of_the_day_of_its_call() -> None:
    account = Account()
    account.set(limit("1", window="day"))
    account.ask("c1", "1")
    account.charge("c1", "1", n=2, outcome="unknown", call_id="a", reserved_usd="1")
    account.now_ms += DAY_MS
    assert account.ask("c2", "0.4").outcome == "granted"
    account.charge("c2", "0.4", n=2, reserved_usd="0.4")
    account.charge("c1", "0.1", n=3, call_id="a", was_usd="1")
    assert _spent(account, "tenant|*|day") == Decimal("0.4")
    assert _spent(account, "tenant|*|month") == Decimal("0.5")
    cells = {cell.day: cell for cell in account.look(usage=True).view.usage}
    assert cells["2026-06-15"].charged_usd == Decimal("0.1")
    assert cells["2026-06-15"].unknown_calls == 0
    assert cells["2026-06-16"].calls == 1


def test_reconciled_calls_count_what_they_did_cost() -> None:
    account = Account()
    account.ask("c1", "1", "1")
    for n, call in ((2, "a"), (3, "b")):
        account.charge("c1", "1", n=n, outcome="unknown", call_id=call, reserved_usd="1")
    answer = account.reconcile(("a", "0.25"), ("b", "0"))
    assert answer.outcome == "accepted"
    assert _spent(account, "agent|writer|total") == Decimal("0.25")
    assert [(e.call_id, e.was_usd, e.charged_usd) for e in account.of(CallReconciled)] == [
        ("a", Decimal(1), Decimal("0.25")), ("b", Decimal(1), Decimal(0)),
    ]  # fmt: skip
    assert account.of(CallReconciled)[0].reason.v == "seen in the export"
    assert account.look().view.unknown_calls == 0
    in_order(account.state)


def test_a_result_after_all_wins_over_what_was_reconciled() -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge("c1", "1", n=2, outcome="unknown", call_id="a", reserved_usd="1")
    account.reconcile(("a", "0.25"))
    account.charge("c1", "0.4", n=3, call_id="a", was_usd="1")
    assert _spent(account, "tenant|*|total") == Decimal("0.4")
    assert account.of(CallSettled)[-1].was_usd == Decimal("0.25")
    assert account.held.reconciled == {}
    (cell,) = account.look(usage=True).view.usage
    assert (cell.charged_usd, cell.calls, cell.unknown_calls) == (Decimal("0.4"), 1, 0)


@pytest.mark.parametrize(
    ("calls", "codes"),
    [
        ((), ["empty"]),
        ((("a", "1"), ("nobody", "1")), ["call_not_unknown"]),
        ((("a", "1"), ("a", "2"), ("x", "1")), ["duplicate", "call_not_unknown"]),
        (tuple((f"x{n}", "1") for n in range(1001)), ["too_many"]),
    ],
)
def test_a_reconciliation_with_a_fault_changes_nothing_and_tells_all(calls, codes) -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge("c1", "1", n=2, outcome="unknown", call_id="a")
    before = account.held
    answer = account.reconcile(*calls)
    assert answer.outcome == "refused"
    assert [fault.code for fault in answer.faults] == codes
    assert account.held is before


def test_a_repeated_reconciliation_is_a_duplicate() -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge("c1", "1", n=2, outcome="unknown", call_id="a")
    assert account.reconcile(("a", "0.25"), client_id="x").outcome == "accepted"
    assert account.reconcile(("a", "0.25"), client_id="x").outcome == "duplicate"
    assert len(account.of(CallReconciled)) == 1


def test_the_list_of_unknown_calls_is_bounded_and_the_money_stays(monkeypatch) -> None:
    monkeypatch.setattr(charges, "UNKNOWN_CALLS", 3)
    account = Account()
    account.ask("c1", *["1"] * 5)
    for n in range(2, 7):
        account.charge("c1", "1", n=n, outcome="unknown", call_id=f"call-{n}", reserved_usd="1")
    assert list(account.held.unknown) == ["call-4", "call-5", "call-6"]
    assert _spent(account, "tenant|*|total") == 5
    account.charge("c1", "0.5", n=7, call_id="call-2", was_usd="1")
    assert _spent(account, "tenant|*|total") == Decimal("4.5")
    in_order(account.state)


def test_money_is_exact_whatever_its_digits() -> None:
    account = Account()
    account.ask("c1", "1")
    tiny = "0.0000000000000000000000000000000000000001"
    account.charge("c1", "123456789.123456789", n=2)
    account.charge("c1", tiny, n=3)
    assert str(_spent(account, "tenant|*|total")) == (
        "123456789.1234567890000000000000000000000000000001"
    )
