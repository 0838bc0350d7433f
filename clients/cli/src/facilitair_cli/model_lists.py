"""``models ls`` and ``models show``: what is known of models, told to people."""

import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from facilitair_cli.attaching import Attachment
from facilitair_cli.exits import ExitCode
from facilitair_cli.model_finding import Row, named
from facilitair_cli.screens import json_text
from facilitair_cli.talking import ask
from facilitair_cli.terminal_text import harmless

_KINDS: Final = {
    "input": "input",
    "cached_input": "cached input",
    "cache_write": "cache write",
    "cache_write_1h": "cache write for an hour",
    "output": "output",
    "reasoning": "reasoning",
}
_UNKNOWN: Final = "unknown"
_COLUMNS: Final = ("model", "context", "in / out $ per M", "tags", "usable here")
_THOUSAND: Final = 1000
_MILLION: Final = 1_000_000


async def listed(attached: Attachment, *, usable: bool, as_json: bool) -> int:
    """List the models, those that can be used first."""
    rows = [row for row in await ask(attached, lambda c: c.models()) if row["usable"] or not usable]
    rows.sort(key=lambda row: (not row["usable"], row["name"]))
    sys.stdout.write(json_text(rows) + "\n" if as_json else harmless(table(rows)))
    return ExitCode.DONE


async def shown(name: str, attached: Attachment, *, as_json: bool) -> int:
    """Tell all about one model. Raises NotFoundError."""
    row = await ask(attached, lambda client: named(client, name))
    sys.stdout.write(json_text(row) + "\n" if as_json else harmless(described(row)))
    return ExitCode.DONE


def table(rows: Sequence[Row]) -> str:
    """The models in columns as wide as they need."""
    if not rows:
        return "no model can be used here; facilitair models ls shows why\n"
    cells = [_COLUMNS, *(tuple(_cells(row)) for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(_COLUMNS))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines) + "\n"


def described(row: Row) -> str:
    """One model in lines."""
    lines = [
        f"{row['name']}{' (what its provider is asked for by default)' if row['default'] else ''}",
        f"usable here: {'yes' if row['usable'] else row['why_not']}",
        f"context window: {_tokens(row.get('context_window'))}",
        f"longest answer: {_tokens(row.get('max_output_tokens'))}",
        f"can do: {_capabilities(row.get('capabilities'))}",
        f"tags: {', '.join(row.get('tags', ())) or 'none'}",
        f"rate limits: {_limits(row.get('limits') or {})}",
    ]
    if row.get("omit"):
        lines.append(f"is not told: {', '.join(row['omit'])} (its provider refuses it)")
    lines += _price_lines(row.get("prices"))
    if row.get("overridden"):
        lines.append(
            f"set in your own file, in place of the seed's: {', '.join(row['overridden'])}"
        )
    lines.append(f"version: {row['version']}")
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> Iterator[str]:
    yield f"{row['name']}{' *' if row['default'] else ''}"
    yield _short(row.get("context_window"))
    yield _prices(row)
    yield ",".join(row.get("tags", ()))
    yield "yes" if row["usable"] else str(row["why_not"])


def _prices(row: Row) -> str:
    prices = row.get("prices")
    if not prices:
        return _UNKNOWN
    text = f"{prices.get('input', _UNKNOWN)} / {prices.get('output', _UNKNOWN)}"
    marks = "+" if prices.get("tiers") else ""
    marks += "!" if "prices" in row.get("overridden", ()) else ""
    return text + (f" {marks}" if marks else "")


def _price_lines(prices: Row | None) -> Iterator[str]:
    if not prices:
        yield "prices: unknown, and so is what a call costs"
        return
    yield f"prices in USD for a million tokens, from {prices.get('version', _UNKNOWN)}:"
    for kind, told in _KINDS.items():
        yield f"  {told}: {_money(prices.get(kind))}"
    for tier in prices.get("tiers", ()):
        told = ", ".join(f"{name} {_money(tier.get(kind))}" for kind, name in _KINDS.items())
        over = _tokens(tier["above_input_tokens"])
        yield f"  all of a call with more than {over} of input: {told}"
    if prices.get("until"):
        yield f"  known until {prices['until'][:10]}, and unknown from then on"


def _money(price: str | None) -> str:
    return _UNKNOWN if price is None else f"${Decimal(price).normalize():f}"


def _tokens(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,} tokens"


def _short(count: int | None) -> str:
    if count is None:
        return _UNKNOWN
    if count >= _MILLION:
        return f"{count / _MILLION:.4g}M"
    return f"{count / _THOUSAND:.4g}k" if count >= _THOUSAND else str(count)


def _capabilities(names: Sequence[str] | None) -> str:
    if names is None:
        return _UNKNOWN
    return ", ".join(names).replace("json_schema", "JSON by schema") or "text only"


def _limits(limits: Row) -> str:
    told = [
        f"{limits[f'{what}_per_minute']:,} {what} a minute"
        for what in ("requests", "tokens")
        if limits.get(f"{what}_per_minute") is not None
    ]
    return ", ".join(told) or "none known"
