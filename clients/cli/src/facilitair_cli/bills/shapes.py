"""The shapes of exports: how each is known by its fields, and what a row of it says. Pure.

They are those of the providers' consoles and administration APIs as of November 2026.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct

from facilitair_cli.bills.bill import (
    Bill,
    BilledCall,
    BilledDay,
    BillFault,
    Provider,
    Tokens,
)
from facilitair_cli.bills.rows import FieldError, Row

_CENTS: Final = Decimal("0.01")

Reading = Callable[[Row], BilledCall | BilledDay | None]


class Shape(Struct, frozen=True):
    """One kind of export: the fields that all its rows have, and what a row says."""

    provider: Provider
    form: str
    fields: tuple[frozenset[str], ...]
    read: Reading

    def fits(self, names: Iterable[str]) -> bool:
        """Whether rows with these fields may be of it: one of each set is there."""
        found = set(names)
        return all(found & one_of for one_of in self.fields)


def read_rows(rows: list[Row], shape: Shape) -> tuple[Bill, list[BillFault]]:
    """The bill of these rows, and everything that is wrong with them."""
    calls: list[BilledCall] = []
    days: list[BilledDay] = []
    faults: list[BillFault] = []
    lines = Counter(row.line for row in rows)
    for number, row in enumerate(rows, 1):
        if row.ragged:
            faults.append(BillFault(line=row.line, message=row.ragged))
            continue
        try:
            found = None if row.fields.get("empty") == "true" else shape.read(row)
        except FieldError as error:
            # JSON tells the line of a document only; the row says which of its objects it is.
            which = f"row {number}: " if len(rows) > 1 and lines[row.line] > 1 else ""
            faults.append(BillFault(line=row.line, message=f"{which}{error}"))
            continue
        if isinstance(found, BilledCall):
            calls.append(found)
        elif found is not None:
            days.append(found)
    bill = Bill(provider=shape.provider, form=shape.form, calls=tuple(calls), days=tuple(days))
    return bill, faults


def _openai_costs(row: Row) -> BilledDay | None:
    amount = row.fields.get("amount")
    if isinstance(amount, dict):
        flat = Row(
            row.line,
            {"amount_value": amount.get("value"), "amount_currency": amount.get("currency")},
        )
        row = Row(row.line, row.fields | flat.fields)
    if not row.has("amount_value"):
        return None  # a day without costs
    if row.has("amount_currency") and row.text("amount_currency").lower() != "usd":
        raise FieldError(field="amount_currency", reason="is not USD")
    # Line items are of a model and a kind of token: "gpt-4.1-mini-2025-04-14, input".
    model = row.text("line_item").partition(",")[0].strip() if row.has("line_item") else None
    cost = row.usd("amount_value")
    return BilledDay(
        line=row.line, day=row.day("start_time", "start_time_iso"), model=model, cost_usd=cost
    )


def _openai_usage(row: Row) -> BilledDay | None:
    if not row.has("model"):
        if not row.count("num_model_requests"):
            return None
        raise FieldError(field="model", reason="is missing: export the usage grouped by model")
    tokens = Tokens(
        input_tokens=row.count("input_tokens"),
        cached_input_tokens=row.count("input_cached_tokens"),
        output_tokens=row.count("output_tokens"),
    )
    return BilledDay(
        line=row.line,
        day=row.day("start_time", "start_time_iso"),
        model=row.text("model"),
        cost_usd=None,
        tokens=tokens,
    )


def _anthropic_costs(row: Row) -> BilledDay | None:
    model = row.text("model") if row.has("model") else None
    if row.has("cost_usd"):
        cost = row.usd("cost_usd")
        return BilledDay(line=row.line, day=row.day("usage_date_utc"), model=model, cost_usd=cost)
    if row.has("currency") and row.text("currency").upper() != "USD":
        raise FieldError(field="currency", reason="is not USD")
    # The report counts in cents.
    cost = row.usd("amount") * _CENTS
    return BilledDay(line=row.line, day=row.day("starting_at"), model=model, cost_usd=cost)


def _anthropic_usage(row: Row) -> BilledDay | None:
    written = row.fields.get("cache_creation")
    more = Row(row.line, row.fields | (written if isinstance(written, dict) else {}))
    uncached = more.count("uncached_input_tokens", "usage_input_tokens_no_cache")
    short = more.count("ephemeral_5m_input_tokens", "usage_input_tokens_cache_write_5m")
    long = more.count("ephemeral_1h_input_tokens", "usage_input_tokens_cache_write_1h")
    cached = more.count("cache_read_input_tokens", "usage_input_tokens_cache_read")
    tokens = Tokens(
        input_tokens=uncached + short + long + cached,
        cached_input_tokens=cached,
        cache_write_tokens=short + long,
        cache_write_1h_tokens=long,
        output_tokens=more.count("output_tokens", "usage_output_tokens"),
    )
    if not row.has("model") and not row.has("model_version"):
        if tokens == Tokens():
            return None
        raise FieldError(field="model", reason="is missing: export the usage grouped by model")
    return BilledDay(
        line=row.line,
        day=row.day("starting_at", "usage_date_utc"),
        model=row.text("model", "model_version"),
        cost_usd=None,
        tokens=tokens,
    )


def _openrouter_calls(row: Row) -> BilledCall:
    return BilledCall(
        line=row.line,
        ident=row.text("generation_id", "id"),
        at=row.time("created_at"),
        model=row.text("model_permaslug", "model"),
        cost_usd=row.usd("cost_total", "total_cost", "usage"),
        input_tokens=row.count("tokens_prompt", "native_tokens_prompt") or None,
        output_tokens=row.count("tokens_completion", "native_tokens_completion") or None,
    )


def _openrouter_days(row: Row) -> BilledDay:
    return BilledDay(
        line=row.line,
        day=row.day("date"),
        model=row.text("model_permaslug", "model"),
        cost_usd=row.usd("usage"),
    )


def _one_of(*names: str) -> frozenset[str]:
    return frozenset(names)


SHAPES: Final = (
    Shape("openrouter", "activity by generation",
          (_one_of("generation_id", "id"), _one_of("created_at"),
           _one_of("cost_total", "total_cost")),
          _openrouter_calls),
    Shape("openrouter", "activity by day",
          (_one_of("date"), _one_of("usage"), _one_of("model", "model_permaslug")),
          _openrouter_days),
    Shape("openai", "costs",
          (_one_of("start_time", "start_time_iso"), _one_of("amount", "amount_value")),
          _openai_costs),
    Shape("openai", "usage",
          (_one_of("start_time", "start_time_iso"), _one_of("num_model_requests")),
          _openai_usage),
    Shape("anthropic", "costs",
          (_one_of("starting_at", "usage_date_utc"), _one_of("amount", "cost_usd")),
          _anthropic_costs),
    Shape("anthropic", "usage",
          (_one_of("starting_at", "usage_date_utc"),
           _one_of("uncached_input_tokens", "usage_input_tokens_no_cache")),
          _anthropic_usage),
)  # fmt: skip
