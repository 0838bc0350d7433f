"""``models count``: how many tokens a text has for a model, and what they cost as input."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from facilitair_cli.attaching import Attachment
from facilitair_cli.errors import OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.model_finding import Row, named
from facilitair_cli.screens import json_text
from facilitair_cli.talking import ask
from facilitair_cli.terminal_text import harmless
from facilitair_cli.wording import money
from facilitair_events.definitions import Model, Prices
from facilitair_events.requests import Usage
from facilitair_llm.pricing import cost_usd
from facilitair_llm.token_counting import TokenCount, count_tokens


async def count(name: str, attached: Attachment, *, file: Path | None, as_json: bool) -> int:
    """Count a file, or what comes on stdin. Raises NotFoundError and OptionError."""
    text = _text(file)
    row = await ask(attached, lambda client: named(client, name))
    prices = msgspec.convert(row["prices"], Prices) if row.get("prices") else None
    model = Model(name=row["model"], provider=row["owned_by"], prices=prices)
    found = count_tokens(text, model)
    cost = cost_usd(prices, Usage(input_tokens=found.tokens), at=datetime.now(tz=UTC))
    if as_json:
        told: dict[str, Any] = {"model": row["name"]} | msgspec.to_builtins(found)
        told["input_cost_usd"] = None if cost is None else f"{cost:f}"
        sys.stdout.write(json_text(told) + "\n")
    else:
        sys.stdout.write(harmless(f"{words(found, row)}; as input {money(cost)}\n"))
    return ExitCode.DONE


def words(found: TokenCount, row: Row) -> str:
    """A count, how it was found, and how far it may be off."""
    name, percent = row["name"], f"{found.error:.0%}"
    if found.method == "vocabulary":
        return f"{found.tokens:,} tokens for {name}, counted by its vocabulary {found.vocabulary}"
    if found.method == "near_vocabulary":
        how = f"by {found.vocabulary}, as its own vocabulary is not known"
    else:
        how = "by the size of the text, as its vocabulary is not known"
    return f"about {found.tokens:,} tokens for {name}, {how}: up to {percent} off"


def _text(file: Path | None) -> str:
    try:
        content = sys.stdin.buffer.read() if file is None else file.read_bytes()
        return content.decode()
    except OSError as error:
        raise OptionError(option="FILE", reason=str(error)) from error
    except UnicodeDecodeError as error:
        raise OptionError(option="FILE", reason="it is not valid UTF-8") from error
