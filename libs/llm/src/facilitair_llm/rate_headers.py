"""What a provider's headers say of its rate limits; pure.

Times are taken from the response's own `Date`, so that no clock of ours counts.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from facilitair_llm.provider_faults import finite_number, parse_date

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_FIRST_EPOCH_S = 1e9
_FIRST_EPOCH_MS = 1e12
_LONGEST_S = 366 * 86_400.0
_LARGEST = 10**12


class Window(Struct, frozen=True, kw_only=True):
    """What is left of a limit.

    `reset_s` is how long it takes until all of it is there again; None where nobody says.
    A `fixed` window gives everything back at once then, any other one bit by bit.
    """

    limit: int
    remaining: int
    reset_s: float | None = None
    fixed: bool = False


class Rates(Struct, frozen=True, kw_only=True):
    """What is left of requests and of tokens; None for what the headers do not tell."""

    requests: Window | None = None
    tokens: Window | None = None


def read_rates(headers: Mapping[str, str]) -> Rates:
    """Return what the headers of OpenAI, Groq, Anthropic or OpenRouter say.

    Anything unreadable counts as not told. Header names are compared as the mapping compares them.
    """
    sent = parse_date(headers.get("Date", ""))
    return Rates(
        requests=_first(headers, _REQUESTS, sent=sent), tokens=_first(headers, _TOKENS, sent=sent)
    )


class _Names(Struct, frozen=True):
    limit: str
    remaining: str
    reset: str
    fixed: bool = False


def _openai(what: str) -> _Names:
    limit, remaining, reset = (f"x-ratelimit-{p}-{what}" for p in ("limit", "remaining", "reset"))
    return _Names(limit, remaining, reset)


def _anthropic(what: str) -> _Names:
    kind = f"anthropic-ratelimit-{what}"
    return _Names(f"{kind}-limit", f"{kind}-remaining", f"{kind}-reset")


_REQUESTS = (
    _openai("requests"),
    _anthropic("requests"),
    _Names("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", True),  # noqa: FBT003
)
_TOKENS = (_openai("tokens"), _anthropic("tokens"), _anthropic("input-tokens"))


def _first(
    headers: Mapping[str, str], forms: tuple[_Names, ...], *, sent: datetime | None
) -> Window | None:
    found = (_window(headers, names, sent=sent) for names in forms)
    return next((window for window in found if window is not None), None)


def _window(headers: Mapping[str, str], names: _Names, *, sent: datetime | None) -> Window | None:
    limit, remaining = _count(headers.get(names.limit)), _count(headers.get(names.remaining))
    if not limit or remaining is None:
        return None
    reset_s = _wait_s(headers.get(names.reset, "").strip(), sent=sent)
    return Window(limit=limit, remaining=min(remaining, limit), reset_s=reset_s, fixed=names.fixed)


def _count(text: str | None) -> int | None:
    number = finite_number(text or "")
    return int(number) if number is not None and 0 <= number <= _LARGEST else None


def _wait_s(text: str, *, sent: datetime | None) -> float | None:
    """Seconds from the response on: of a duration, of a moment, or of a number for either."""
    if _DURATION.fullmatch(text):
        return min(sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text)), _LONGEST_S)
    number = finite_number(text)
    if number is not None and number < _FIRST_EPOCH_S:
        return None if number < 0 else min(number, _LONGEST_S)
    moment = _moment(text) if number is None else _epoch(number)
    if moment is None or sent is None:
        return None
    return min(max((moment - sent).total_seconds(), 0.0), _LONGEST_S)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _epoch(number: float) -> datetime | None:
    seconds = number / 1000 if number >= _FIRST_EPOCH_MS else number
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
