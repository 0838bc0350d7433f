"""Keeps secrets out of log lines at every level, and payloads out of those above DEBUG."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal

REDACTED: Final = "[redacted]"
_DEEPEST: Final = 8

_SECRET_NAME: Final = re.compile(
    r"(^|_)((api|private|master|admin)_?key|authorization|cookie|credentials?|passw(or)?d|pepper"
    r"|secret|token)s?$"
)
# Counts of tokens are no secrets.
_COUNT_NAME: Final = re.compile(r"(^|_)tokens$")
_SECRET_VALUE: Final = re.compile(
    r"""
    (?P<header>\b(?:authorization|(?:x-)?api[-_]key)["']?\s*[:=]\s*["']?(?:\w+\s+)?)[^\s"']+
    | (?P<scheme>\b(?:bearer|basic)\s+)(?=\S*\d)[\w.~+/=-]{12,}
    | \b(?:sk|pk|gsk|rk|xai|fac)[-_][\w-]{12,}                # keys of providers, and ours
    | \bAIza[\w-]{20,}                                        # Google
    | \bgh[pousr]_\w{20,}                                     # GitHub
    | \bAKIA[A-Z0-9]{16}\b                                    # AWS
    | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*                       # a JWT
    | (?<=://)[^\s/@:]*:[^\s/@]+(?=@)                         # user and password of a URL
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
# What every credential above has in it. Most values of a log line have nothing of it, and this look
# costs a fifth of the other.
_HINT: Final = re.compile(
    r"authorization|api[-_]key|bearer|basic|(?:[spr]k|xai|fac)[-_]|aiza|gh[pousr]_|akia|eyj|://|-----begin"
)
_PAYLOAD_NAMES: Final = frozenset(
    {"body", "completion", "content", "data", "input", "messages", "output", "payload", "prompt"}
    | {"system_prompt", "task", "text", "value"}
)


def without_secrets(text: str) -> str:
    """The text with everything that looks like a credential replaced."""
    if _HINT.search(text.casefold()) is None:
        return text
    return _SECRET_VALUE.sub(_replaced, text)


def _replaced(match: re.Match[str]) -> str:
    return (match["header"] or match["scheme"] or "") + REDACTED


def redacted(event: Mapping[str, Any], *, payloads: bool) -> dict[str, Any]:
    """A copy of the fields of a log line that is safe to write.

    With ``payloads`` false the fields that carry prompts, answers or bodies show only their size.
    """
    return _mapping(event, payloads=payloads, depth=0)


def _mapping(fields: Mapping[Any, Any], *, payloads: bool, depth: int) -> dict[str, Any]:
    return {
        str(name): _field(str(name), value, payloads=payloads, depth=depth)
        for name, value in fields.items()
    }


def _field(name: str, value: Any, *, payloads: bool, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    meaning = _meaning(name)
    if meaning == "secret":
        return REDACTED
    if meaning == "payload" and not payloads:
        return f"[{_size(value)} not shown]"
    return _value(value, payloads=payloads, depth=depth)


@lru_cache(maxsize=1024)
def _meaning(name: str) -> Literal["secret", "payload", "plain"]:
    """What a field of this name holds; names are few, and each comes in thousands of lines."""
    lower = name.lower().replace("-", "_")
    if _SECRET_NAME.search(lower) and not _COUNT_NAME.search(lower):
        return "secret"
    return "payload" if lower in _PAYLOAD_NAMES else "plain"


def _value(value: Any, *, payloads: bool, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray):
        return f"[{_size(value)} not shown]"
    if depth >= _DEEPEST:
        return "[too deep]"
    if isinstance(value, Mapping):
        return _mapping(value, payloads=payloads, depth=depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(inner, payloads=payloads, depth=depth + 1) for inner in value]
    return without_secrets(str(value))


def _size(value: Any) -> str:
    if isinstance(value, str):
        return f"{len(value)} characters"
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    return type(value).__name__
