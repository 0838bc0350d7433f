"""Budgets: what a tenant may spend, and how much of it may run at once."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from facilitair_events.numbers import Amount, Count, Ordinal, check_amounts

Priority = Literal["interactive", "batch"]
LimitScope = Literal["tenant", "project", "key", "collaboration", "agent"]
LimitWindow = Literal["day", "month", "total"]

UtcOffset = Annotated[int, Meta(ge=-86_400, le=86_400)]
"""Seconds; no zone was ever a day from UTC."""


class Limit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """At most ``usd`` in a window, for one name of a scope or, with ``*``, for each of them.

    ``hard`` refuses what would go over it, ``warning`` tells when it is reached.
    A ``collaboration`` has no day and no month, only a total.
    ``key`` is who asks: the id of an API key, or ``local``.
    """

    scope: LimitScope
    window: LimitWindow
    usd: Amount
    name: str = "*"
    kind: Literal["hard", "warning"] = "hard"

    def __post_init__(self) -> None:
        check_amounts(usd=self.usd)


class SlotLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many attempts of a tenant may be with the workers at once, for each class."""

    interactive: Ordinal = 32
    batch: Ordinal = 8


class ZoneOffset(Struct, frozen=True, kw_only=True):
    """From ``from_ms`` on (milliseconds since the epoch) clocks are ``offset_s`` ahead of UTC."""

    from_ms: Count
    offset_s: UtcOffset


class Budget(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tenant may spend, and how much of it may run at once.

    ``offsets`` is ``timezone`` resolved for the years to come, in order, by who took it in: the
    reducer has no calendar that an upgrade could change (R6). Before the first it is UTC.
    ``unpriced`` says what becomes of calls without a known price under a hard limit.
    """

    timezone: str = "UTC"
    offsets: tuple[ZoneOffset, ...] = ()
    limits: tuple[Limit, ...] = ()
    slots: SlotLimits = SlotLimits()
    unpriced: Literal["refuse", "allow"] = "refuse"
