"""The keys of counters and of reserved money, and what is counted under them."""

from collections.abc import Container, Iterable, Iterator
from typing import Final

from facilitair_events.balances import EnvelopeState
from facilitair_events.budgets import LimitScope, LimitWindow, Priority

CLASSES: Final[tuple[Priority, ...]] = ("interactive", "batch")
WINDOWS: Final[tuple[LimitWindow, ...]] = ("day", "month", "total")

KEY_PREFIX: Final = "key-"
"""Of the actor of an API key; limits are for its id."""


def counter_key(scope: LimitScope, name: str, window: LimitWindow) -> str:  # noqa: PLR0917 - the order of the key
    """The key of a counter."""
    return f"{scope}|{name}|{window}"


def reserved_key(scope: LimitScope, name: str) -> str:
    """The key of what is reserved."""
    return f"{scope}|{name}"


def window_of(key: str) -> LimitWindow:
    """The window of a counter."""
    window: LimitWindow = key.rpartition("|")[2]  # type: ignore[assignment]
    return window


def scopes(envelope: EnvelopeState, *, agent: str) -> Iterator[tuple[LimitScope, str]]:
    """Where money of a call counts, beside its collaboration."""
    yield "tenant", "*"
    yield "project", envelope.project
    yield "key", envelope.actor.removeprefix(KEY_PREFIX)
    yield "agent", agent


def names_of(collaboration: str, envelope: EnvelopeState, *, agent: str) -> dict[LimitScope, str]:
    """The name in each scope that money of a call counts for."""
    return {"collaboration": collaboration, **dict(scopes(envelope, agent=agent))}


def names_counted(
    scope: LimitScope, counters: Iterable[str], *, reserved: Iterable[str] = ()
) -> list[str]:
    """The names of a scope that money was ever counted for or is reserved for, in order."""
    begins = f"{scope}|"
    found = {key[len(begins) :].rpartition("|")[0] for key in counters if key.startswith(begins)}
    return sorted(found | {key[len(begins) :] for key in reserved if key.startswith(begins)})


def is_counted(scope: LimitScope, name: str, *, counters: Container[str]) -> bool:
    """Whether money was ever counted for a name."""
    return counter_key(scope, name, "total") in counters
