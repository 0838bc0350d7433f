"""How often and how long after a record is tried again. Pure: who waits is not decided here."""

from collections.abc import Iterator

from msgspec import Struct

from facilitair_messaging.errors import LoopSettingsError


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """Bounded exponential backoff; ``retries`` 0 never tries again.

    Raises LoopSettingsError for a negative number, or a ``factor`` below 1.
    The default gives up after about three seconds: a poison record must not hold what is behind
    it for five. There is no jitter: a partition has one owner, so nobody retries in step with it.
    """

    retries: int = 5
    first_delay_s: float = 0.1
    factor: float = 2.0
    max_delay_s: float = 2.0

    def __post_init__(self) -> None:
        at_least("retries", self.retries, minimum=0)
        at_least("first_delay_s", self.first_delay_s, minimum=0)
        at_least("factor", self.factor, minimum=1)
        at_least("max_delay_s", self.max_delay_s, minimum=0)


def delays(policy: RetryPolicy) -> Iterator[float]:
    """Seconds to wait before each further attempt, as many as there are."""
    delay = policy.first_delay_s
    for _ in range(policy.retries):
        yield min(delay, policy.max_delay_s)
        # Capped here as well, so that many retries do not overflow.
        delay = min(delay * policy.factor, policy.max_delay_s)


def at_least(name: str, value: float, *, minimum: float) -> None:
    """Raise LoopSettingsError unless a knob is at or above its minimum."""
    if not value >= minimum:
        raise LoopSettingsError(name=name, rule=f"is at least {minimum:g}", value=value)
