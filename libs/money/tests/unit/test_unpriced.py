"""Calls of models without a known price."""

from decimal import Decimal

from facilitair_events.budgets import Limit
from facilitair_testing.accounting import Account

HARD = Limit(scope="tenant", window="day", usd=Decimal(5))


def test_a_call_without_a_price_is_granted_as_one_without_a_price() -> None:
    account = Account()
    answer = account.ask("c1", None, "2")
    assert [part.usd for part in answer.parts] == [None, Decimal(2)]
    assert account.look().view.reserved_usd == 2


def test_under_a_hard_limit_it_is_refused_unless_the_budget_allows_it() -> None:
    account = Account()
    account.set(HARD)
    refused = account.ask("c1", None)
    assert refused.outcome == "refused"
    assert refused.refusal.code == "price_unknown"
    account.set(HARD, unpriced="allow")
    assert [part.usd for part in account.ask("c2", None).parts] == [None]
