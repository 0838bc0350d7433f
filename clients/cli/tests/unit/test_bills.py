"""Exports of providers: told apart by their fields, and read with every fault and its line."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from facilitair_cli.bills.bill import BillError, Tokens, family
from facilitair_cli.bills.reading import read_bill
from facilitair_cli.errors import OptionError

DAY = date(2026, 11, 2)
SECONDS = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp())

OPENROUTER_CSV = """\
generation_id,created_at,cost_total,tokens_prompt,tokens_completion,model_permaslug,provider_name
gen-1,2026-11-02 10:00:01.5,0.0012,100,20,openai/gpt-4.1-2025-04-14,OpenAI
gen-2,2026-11-02T11:00:00Z,0.5,1000,200,anthropic/claude-sonnet-4,Anthropic
"""
NAMES = "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item"
SPAN = "1793577600,1793664000,2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00"
OPENAI_CSV = f"""\
{NAMES},project_id
{SPAN},0.25,usd,"gpt-4.1-mini-2025-04-14, input",
{SPAN},0.50,usd,"gpt-4.1-mini-2025-04-14, output",
1793664000,1793750400,2026-11-03T00:00:00+00:00,2026-11-04T00:00:00+00:00,,,,
"""


def read(content, *, provider=None):
    text = content if isinstance(content, str) else json.dumps(content, indent=1)
    return read_bill(text, file="export", provider=provider)


def page(*results, **bucket):
    return {
        "object": "page",
        "data": [{"object": "bucket", **bucket, "results": list(results)}],
        "has_more": False,
    }


def test_openrouter_by_generation() -> None:
    bill = read(OPENROUTER_CSV)
    assert (bill.provider, bill.form) == ("openrouter", "activity by generation")
    first, second = bill.calls
    assert (first.line, first.ident, first.cost_usd) == (2, "gen-1", Decimal("0.0012"))
    assert first.at == datetime(2026, 11, 2, 10, 0, 1, 500_000, UTC)
    assert (second.input_tokens, second.output_tokens) == (1000, 200)


def test_openrouter_generations_as_json_lines() -> None:
    row = {"id": "gen-1", "created_at": "2026-11-02T10:00:00Z", "model": "m", "total_cost": 0.1}
    bill = read("\n".join(json.dumps({"data": row}) for _ in range(2)))
    assert [(call.line, call.cost_usd) for call in bill.calls] == [
        (1, Decimal("0.1")),
        (2, Decimal("0.1")),
    ]


def test_openrouter_by_day() -> None:
    row = {"date": "2026-11-02", "model": "openai/gpt-4.1", "usage": 0.015, "requests": 5}
    (day,) = read({"data": [row]}).days
    assert (day.day, day.model, day.cost_usd) == (DAY, "openai/gpt-4.1", Decimal("0.015"))


def test_openai_costs_as_csv_and_json() -> None:
    bill = read(OPENAI_CSV)
    assert (bill.provider, bill.form) == ("openai", "costs")
    assert [(day.line, day.day, day.model, day.cost_usd) for day in bill.days] == [
        (2, DAY, "gpt-4.1-mini-2025-04-14", Decimal("0.25")),
        (3, DAY, "gpt-4.1-mini-2025-04-14", Decimal("0.50")),
    ]
    result = {"amount": {"value": 0.06, "currency": "usd"}, "line_item": None}
    (day,) = read(page(result, start_time=SECONDS, end_time=SECONDS + 86_400)).days
    assert (day.day, day.model, day.cost_usd) == (DAY, None, Decimal("0.06"))


def test_openai_usage_has_tokens_and_no_cost() -> None:
    result = {
        "input_tokens": 1000, "output_tokens": 500, "input_cached_tokens": 800,
        "num_model_requests": 5, "model": "gpt-4.1",
    }  # fmt: skip
    empty = {"object": "bucket", "start_time": SECONDS, "results": []}
    document = page(result, start_time=SECONDS)
    document["data"].insert(0, empty)
    (day,) = read(document, provider="openai").days
    assert day.cost_usd is None
    assert day.tokens == Tokens(input_tokens=1000, cached_input_tokens=800, output_tokens=500)


def test_anthropic_costs_are_in_cents_in_the_report_and_in_dollars_in_the_console() -> None:
    result = {"currency": "USD", "amount": "123.78912", "model": "claude-sonnet-4-20250514"}
    bucket = {"starting_at": "2026-11-02T00:00:00Z", "ending_at": "2026-11-03T00:00:00Z"}
    (day,) = read(page(result, **bucket)).days
    assert (day.day, day.cost_usd) == (DAY, Decimal("1.2378912"))
    text = "usage_date_utc,model,token_type,cost_usd\n2026-11-02,Claude Sonnet 4,output,1.25\n"
    (day,) = read(text).days
    assert (day.model, day.cost_usd) == ("Claude Sonnet 4", Decimal("1.25"))


def test_anthropic_usage_counts_what_was_cached_among_the_input() -> None:
    result = {
        "uncached_input_tokens": 1500, "cache_read_input_tokens": 200, "output_tokens": 500,
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 50},
        "model": "claude-sonnet-4-20250514",
    }  # fmt: skip
    (day,) = read(page(result, starting_at="2026-11-02T00:00:00Z")).days
    assert day.tokens == Tokens(
        input_tokens=2750, cached_input_tokens=200, cache_write_tokens=1050,
        cache_write_1h_tokens=1000, output_tokens=500,
    )  # fmt: skip


def test_all_faults_are_told_at_once_with_their_lines() -> None:
    lines = OPENROUTER_CSV.replace("0.0012", "cheap").replace("2026-11-02T11:00:00Z", "noon")
    with pytest.raises(BillError) as caught:
        read(lines)
    assert [fault.line for fault in caught.value.faults] == [2, 3]
    assert "'cheap'" in str(caught.value)
    assert "'noon'" in str(caught.value)


def test_a_row_of_another_length_hides_no_other_fault() -> None:
    heading, *rows = OPENROUTER_CSV.splitlines()
    lines = [heading, "gen-0,2026-11-02", rows[0].replace("0.0012", "cheap"), f"{rows[1]},more"]
    with pytest.raises(BillError) as caught:
        read("\n".join(lines))
    told = [(fault.line, fault.message) for fault in caught.value.faults]
    assert [line for line, _ in told] == [2, 3, 4]
    assert [told[0][1], told[2][1]] == [
        "it has 2 fields, the heading has 7",
        "it has 8 fields, the heading has 7",
    ]


def test_a_fault_of_json_says_which_row_it_is() -> None:
    good = {"amount": {"value": 1, "currency": "usd"}, "line_item": None}
    bad = {"amount": {"value": -1, "currency": "usd"}, "line_item": None}
    with pytest.raises(BillError, match="line 1: row 2: 'amount_value' is no amount"):
        read(page(good, bad, start_time=SECONDS))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("hello\n", 1),
        ("a,b\n1,2\n", 2),
        ("generation_id,created_at,cost_total,model\ngen-1,2026-11-02T00:00:00Z,1\n", 2),
        ('{\n "data": [\n', 3),
        ("[1]", 1),
        ("[]", 1),
        (OPENROUTER_CSV.replace("0.5", "-0.5"), 3),
        (OPENAI_CSV.replace("0.25,usd", "0.25,eur"), 2),
    ],
)
def test_what_is_no_export_is_refused_with_its_line(text, line) -> None:
    with pytest.raises(BillError) as caught:
        read(text)
    assert caught.value.faults[0].line == line


def test_a_tokens_export_that_is_not_by_model_is_refused() -> None:
    result = {"input_tokens": 1, "num_model_requests": 1, "model": None}
    with pytest.raises(BillError, match="grouped by model"):
        read(page(result, start_time=SECONDS))


def test_a_provider_that_is_not_the_exports_is_refused() -> None:
    with pytest.raises(OptionError, match="looks like an export of openrouter"):
        read(OPENROUTER_CSV, provider="openai")
    with pytest.raises(OptionError, match="must be one of"):
        read(OPENROUTER_CSV, provider="groq")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", True),
        ("claude-sonnet-4", "claude-sonnet-4-20250514", True),
        ("openai/gpt-4.1", "openai/GPT-4.1:free", True),
        ("gpt-4.1", "gpt-4.1-mini", False),
    ],
)
def test_two_names_of_one_model(one, other, same) -> None:
    assert (family(one) == family(other)) is same
