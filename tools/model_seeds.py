"""From what others know of models to the text of our seed files. Pure."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

SOON: Final = dt.timedelta(days=30)
KINDS: Final = {
    "input": ("input_mtok",),
    "cached_input": ("cache_read_mtok",),
    "cache_write": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
}
"""Our kinds of tokens, and what the source calls them; reasoning is billed as output."""
UNUSED: Final = ("audio", "video", "searches")
"""Parts of names of prices for what no call of ours uses."""
CAPABILITIES: Final = {
    "tools": "supports_function_calling",
    "json_schema": "supports_response_schema",
    "images": "supports_vision",
    "reasoning": "supports_reasoning",
}
HEADER: Final = (
    "# Taken by `python -m tools.model_prices`: do not edit."
    " What models/{provider}.yaml says wins.\n"
)


class Taken(NamedTuple):
    """The entries of a seed by the model's name, and why others were left out."""

    entries: dict[str, dict[str, Any]]
    left_out: dict[str, str]


def take(
    chosen: Mapping[str, Any],
    *,
    known: Mapping[str, Any],
    facts: Mapping[str, Any],
    today: dt.date,
) -> Taken:
    """What is said of the chosen models of one provider."""
    taken = Taken(entries={}, left_out={})
    for name in chosen["models"]:
        fact = facts.get(f"{chosen['facts']}{name}")
        why = _gone(known.get(name), fact, today=today)
        if why is not None:
            taken.left_out[name] = why
        else:
            omits = chosen.get("reasoning_omits", [])
            taken.entries[name] = _entry(known[name], fact or {}, omits=omits, today=today)
    return taken


def current_prices(
    prices: list[dict[str, Any]], *, today: dt.date
) -> tuple[dict[str, Any] | None, str | None]:
    """The prices of today, and the day on which they end.

    They are None where they depend on more than tokens, because a wrong price is worse than none.
    """
    begun = [one for one in prices if one["start"] is None or one["start"] <= today.isoformat()]
    later = [one["start"] for one in prices if one not in begun]
    if not begun or any(one["hours"] for one in prices):
        return None, None
    kinds = begun[-1]["kinds"]
    understood = {name for names in KINDS.values() for name in names}
    if any(name not in understood and not _unused(name) for name in kinds):
        return None, None
    found = {
        kind: next((kinds[name] for name in names if name in kinds), None)
        for kind, names in KINDS.items()
    }
    return _with_tiers(found), min(later, default=None)


def seed_text(provider: str, taken: Taken, *, source: Mapping[str, Any]) -> str:
    """The seed file of a provider."""
    version = f"{source['package']} {source['version']} of {source['released']}"
    lines = [f"provider: {provider}", f"version: {version}", "models:"]
    for name, entry in taken.entries.items():
        lines.append(f"  - name: {name}")
        lines += [f"    {field}: {_inline(entry[field])}" for field in entry if field != "prices"]
        lines += _price_lines(entry["prices"])
    return HEADER.format(provider=provider) + "\n".join(lines) + "\n"


def record(
    sources: Mapping[str, Any],
    *,
    digests: Mapping[str, str],
    taken: Mapping[str, Taken],
    texts: Mapping[str, str],
    today: dt.date,
) -> str:
    """What was taken when, as JSON; a test compares the files with it."""
    told = {
        "taken": today.isoformat(),
        "sources": {
            name: {field: str(value) for field, value in source.items()} | {"sha256": digests[name]}
            for name, source in sources.items()
        },
        "files": {
            f"{name}.yaml": {
                "models": len(taken[name].entries),
                "without_price": [
                    model for model, entry in taken[name].entries.items() if entry["prices"] is None
                ],
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
            }
            for name, text in texts.items()
        },
        "left_out": {
            f"{name}/{model}": why for name in taken for model, why in taken[name].left_out.items()
        },
    }
    return json.dumps(told, indent=2) + "\n"


def _gone(model: Any, fact: Any, *, today: dt.date) -> str | None:
    if model is None:
        return "the source of prices does not know it"
    if model["deprecated"]:
        return "the source of prices calls it deprecated"
    retires = (fact or {}).get("deprecation_date")
    if retires is not None and dt.date.fromisoformat(retires) <= today + SOON:
        return f"it ends on {retires}"
    return None


def _entry(
    model: Mapping[str, Any], fact: Mapping[str, Any], *, omits: list[str], today: dt.date
) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    window = model["context_window"] or fact.get("max_input_tokens")
    if window is not None:
        entry["context_window"] = window
    if fact.get("max_output_tokens") is not None:
        entry["max_output_tokens"] = fact["max_output_tokens"]
    if fact:
        entry["capabilities"] = [name for name, flag in CAPABILITIES.items() if fact.get(flag)]
    if fact.get("supports_sampling_params") is False or (omits and fact.get("supports_reasoning")):
        entry["omit"] = ["temperature"]
    prices, until = current_prices(model["prices"], today=today)
    if prices is not None and until is not None:
        prices["until"] = until
    entry["prices"] = prices
    return entry


def _unused(name: str) -> bool:
    return any(part in name for part in UNUSED)


def _with_tiers(found: dict[str, Any]) -> dict[str, Any]:
    """The prices of all kinds below the first bound, then of all kinds above each bound."""
    bounds = sorted(
        {
            start
            for value in found.values()
            if isinstance(value, dict)
            for start, _ in value["tiers"]
        }
    )
    prices: dict[str, Any] = {kind: _at(value, 0) for kind, value in found.items() if value}
    if bounds:
        prices["tiers"] = [
            {"above_input_tokens": bound}
            | {kind: _at(value, bound) for kind, value in found.items() if value}
            for bound in bounds
        ]
    return prices


def _at(value: Any, bound: int) -> str:
    if isinstance(value, str):
        return value
    prices: list[str] = [price for start, price in value["tiers"] if start <= bound]
    return prices[-1] if prices else str(value["base"])


def _price_lines(prices: dict[str, Any] | None) -> list[str]:
    if prices is None:
        return ["    prices: null"]
    plain = {kind: price for kind, price in prices.items() if kind not in {"tiers", "until"}}
    lines = ["    prices:", *(f'      {kind}: "{price}"' for kind, price in plain.items())]
    if "tiers" in prices:
        lines.append("      tiers:")
        lines += [f"        - {_inline(tier)}" for tier in prices["tiers"]]
    if "until" in prices:
        lines.append(f"      until: {prices['until']}")
    return lines


def _inline(value: Any) -> str:
    """A value in one line of YAML; texts in a mapping are quoted, because they are prices."""
    if isinstance(value, dict):
        fields = (
            f'{name}: "{one}"' if isinstance(one, str) else f"{name}: {one}"
            for name, one in value.items()
        )
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)
