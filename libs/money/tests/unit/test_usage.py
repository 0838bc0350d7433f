"""Usage by day, agent, model and workflow, bounded in cells."""

from decimal import Decimal

import pytest

from facilitair_events.accounts import UsageCell
from facilitair_events.requests import Usage
from facilitair_money import usage
from facilitair_money.zones import resolve_offsets
from facilitair_testing.accounting import Account, in_order

DAY_MS = 86_400_000


def _cells(account: Account) -> list[UsageCell]:
    view = account.look(usage=True).view
    assert view is not None
    return list(view.usage)


def test_calls_are_summed_by_day_agent_model_and_workflow() -> None:
    account = Account()
    account.ask("c1")
    tokens = Usage(input_tokens=5, output_tokens=2, reasoning_tokens=1)
    account.charge("c1", "0.1", n=2, usage=tokens, simulated=True)
    account.charge("c1", "0.2", n=3, usage=Usage(input_tokens=1, estimated=True))
    account.charge("c1", "0.3", n=4, model="n", outcome="unknown")
    account.charge("c1", "0.4", n=5, agent="critic", workflow="review", model=None)
    assert [
        (c.day, c.agent, c.model, c.workflow, c.calls, c.charged_usd) for c in _cells(account)
    ] == [
        ("2026-06-15", "critic", "unknown", "review", 1, Decimal("0.4")),
        ("2026-06-15", "writer", "m", "write", 2, Decimal("0.3")),
        ("2026-06-15", "writer", "n", "write", 1, Decimal("0.3")),
    ]
    both = _cells(account)[1]
    assert both.usage == Usage(input_tokens=6, output_tokens=2, reasoning_tokens=1, estimated=True)
    assert (both.simulated_calls, _cells(account)[2].unknown_calls) == (1, 1)


def test_a_day_is_one_of_the_tenants() -> None:
    account = Account()
    offsets = resolve_offsets("Asia/Tokyo", from_ms=account.now_ms - DAY_MS, years=1)
    account.set(timezone="Asia/Tokyo", offsets=offsets)
    account.now_ms += 5 * 3_600_000  # two in the morning of the next day
    account.charge("c1")
    assert _cells(account)[0].day == "2026-06-16"


def test_only_who_asks_for_it_is_told_the_usage() -> None:
    account = Account()
    account.charge("c1")
    assert account.look().view.usage == ()
    assert len(account.look(usage=True).view.usage) == 1


@pytest.fixture
def few(monkeypatch) -> None:
    monkeypatch.setattr(usage, "USAGE_CELLS", 4)


@pytest.mark.usefixtures("few")
def test_old_days_are_summed_into_one_cell_and_no_money_is_lost() -> None:
    account = Account()
    account.ask("c1")
    for day in range(6):
        for index, agent in enumerate(("writer", "critic")):
            account.charge("c1", "1", n=2 + 2 * day + index, agent=agent)
        account.now_ms += DAY_MS
    cells = _cells(account)
    assert len(cells) <= 4
    assert sum(cell.charged_usd for cell in cells) == 12
    assert sum(cell.calls for cell in cells) == 12
    assert (cells[0].agent, cells[0].model, cells[0].workflow) == ("*", "*", "*")
    assert cells[-1].day == "2026-06-20"
    assert cells[-1].agent != "*"
    in_order(account.state)


@pytest.mark.usefixtures("few")
def test_a_day_with_more_kinds_of_calls_than_cells_is_summed_too() -> None:
    account = Account()
    account.ask("c1")
    for n in range(2, 12):
        account.charge("c1", "1", n=n, agent=f"a{n}")
    cells = _cells(account)
    assert len(cells) <= 4
    assert sum(cell.charged_usd for cell in cells) == 10
    assert len({(cell.agent, cell.day) for cell in cells}) == len(cells)


@pytest.mark.usefixtures("few")
def test_a_result_finds_the_cell_that_its_day_was_summed_into() -> None:
    account = Account()
    account.ask("c1")
    account.charge("c1", "1", n=2, outcome="unknown", call_id="a")
    for n in range(3, 12):
        account.now_ms += DAY_MS
        account.charge("c1", "1", n=n)
    account.charge("c1", "0.25", n=12, call_id="a", was_usd="1")
    cells = _cells(account)
    assert sum(cell.charged_usd for cell in cells) == Decimal("9.25")
    assert sum(cell.unknown_calls for cell in cells) == 0
    assert sum(cell.calls for cell in cells) == 10


def test_an_answer_with_much_usage_fits_its_record(monkeypatch) -> None:
    monkeypatch.setattr("facilitair_money.view.VIEWED_BYTES", 500)
    account = Account()
    account.ask("c1")
    for n in range(2, 8):
        account.charge("c1", "1", n=n)
        account.now_ms += DAY_MS
    cells = _cells(account)
    assert 0 < len(cells) < 6
    assert cells[-1].day == "2026-06-20"
    assert cells == sorted(cells, key=lambda cell: cell.day)
