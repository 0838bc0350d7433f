"""A token bucket that follows what a provider tells and shows; pure."""

from math import exp
from typing import Final

from facilitair_llm.provider_faults import MAX_RETRY_AFTER_S
from facilitair_llm.rate_headers import Window

_MINUTE_S: Final = 60.0
_FLOW_S: Final = 30.0
"""Over how long the flow is averaged."""
_TRUSTED_RESET_S: Final = 10.0
"""A shorter reset is too coarse for a rate: some providers round it to seconds."""
_SLOWEST_PER_S: Final = 10 / _MINUTE_S
"""No slower by guessing: a provider that wants less says so by refusing, and is left in peace."""
_BURST_S: Final = 10.0
"""How long of a rate that nobody told may be spent at once."""
_STEPS: Final = 20
"""So many successes double a rate that was halved once."""


class Bucket:
    """How much of something may be used now, such as requests or tokens.

    Without any limit there is no wait. ``per_minute`` is a limit that somebody set.
    ``learn`` takes over what a provider tells. ``slow_down`` halves the rate of a provider that
    only complains, or what flowed until then; ``speed_up`` adds to it until the limit is back.
    What is taken may be more than there is: who takes it waits, and who comes later waits longer.
    All times are seconds of one clock that does not go back.
    """

    def __init__(self, *, per_minute: float | None, now_s: float) -> None:
        self._set = None if per_minute is None else per_minute / _MINUTE_S
        self._ceiling = self._set
        self._rate = self._set
        self._capacity = per_minute or 0.0
        self._level = self._capacity
        self._promised = 0.0
        self._flow = 0.0
        self._at_s = now_s
        self._slowed_from: float | None = None
        self._slowed_at_s = now_s

    @property
    def per_minute(self) -> float | None:
        """The rate as it is now; None where there is no limit."""
        return None if self._rate is None else self._rate * _MINUTE_S

    def wait_s(self, amount: float, *, now_s: float) -> float:
        """How long until so much is there. More than it ever holds counts as all it holds."""
        self._advance(now_s)
        if self._rate is None:
            return 0.0
        return max(min(amount, self._capacity) - self._level, 0.0) / self._rate

    def take(self, amount: float, *, now_s: float) -> float:
        """Use so much, now or after the wait; returns how much of it was taken."""
        self._advance(now_s)
        self._flow += amount
        if self._rate is None:
            return amount
        taken = min(amount, self._capacity)
        self._level -= taken
        return taken

    def put_back(self, amount: float) -> None:
        """Correct by what was not used after all; a negative amount was used beyond it."""
        if self._rate is not None:
            self._level = min(self._level + amount, self._capacity)

    def promise(self, amount: float, *, longest_s: float, now_s: float) -> float:
        """When somebody who is sent away should come back: one after the other, as far as it goes.

        Those who would come after ``longest_s`` come then, and see.
        """
        wait_s = self.wait_s(amount, now_s=now_s)
        if self._rate is None:
            return wait_s
        wait_s += self._promised / self._rate
        if wait_s >= longest_s:
            return longest_s
        self._promised += min(amount, self._capacity)
        return wait_s

    def learn(self, window: Window, *, now_s: float) -> None:
        """Take over what the provider says; a limit that somebody set is never exceeded."""
        self._advance(now_s)
        told = _rate_of(window)
        self._ceiling = told if self._set is None else min(told, self._set)
        capacity = float(window.limit)
        if self._set is not None:
            capacity = min(capacity, self._set * _MINUTE_S)
        left = float(window.remaining)
        self._level = min(left, capacity if self._rate is None else self._level, capacity)
        self._capacity = max(capacity, 1.0)
        if self._slowed_from is None or self._rate is None:
            self._rate = self._ceiling
        else:
            self._rate = min(self._rate, self._ceiling)

    def slow_down(self, *, asked_s: float, now_s: float) -> None:
        """The provider refused what was asked at ``asked_s``: halve, but once for one burst."""
        self._advance(now_s)
        if self._slowed_from is not None and asked_s < self._slowed_at_s:
            return
        rate = self._flow / _FLOW_S if self._rate is None else self._rate
        if self._slowed_from is None:
            self._slowed_from = max(rate, _SLOWEST_PER_S)
        if self._rate is None:
            self._level = self._capacity = max(rate * _BURST_S / 2, 1.0)
        slowest = _SLOWEST_PER_S if self._ceiling is None else min(self._ceiling, _SLOWEST_PER_S)
        self._rate = max(rate / 2, slowest)
        self._level = min(self._level, 1.0)
        self._slowed_at_s = now_s

    def speed_up(self, *, now_s: float) -> None:
        """The provider answered: add a little; beyond twice the old rate no limit is left."""
        self._advance(now_s)
        if self._slowed_from is None or self._rate is None:
            return
        self._rate += self._slowed_from / _STEPS
        if self._ceiling is None and self._rate < 2 * self._slowed_from:
            return
        if self._ceiling is not None and self._rate < self._ceiling:
            return
        self._rate, self._slowed_from = self._ceiling, None

    def _advance(self, now_s: float) -> None:
        passed_s = max(now_s - self._at_s, 0.0)
        self._at_s = max(now_s, self._at_s)
        self._flow *= exp(-passed_s / _FLOW_S)
        if self._rate is not None:
            gained = self._rate * passed_s
            self._level = min(self._level + gained, self._capacity)
            self._promised = max(self._promised - gained, 0.0)


def _rate_of(window: Window) -> float:
    """How much comes back in a second: what is gone, over the time until all of it is back.

    Where that is too short to tell, the limit is one of a minute: while much is left, nothing
    depends on it, and when little is left the reset is long enough.
    One that is longer than any wait we believe in would close the model for good: without a call
    nobody tells anything better.
    """
    gone = window.limit - window.remaining
    if window.reset_s is not None and window.reset_s >= _TRUSTED_RESET_S and gone > 0:
        return gone / min(window.reset_s, MAX_RETRY_AFTER_S)
    return window.limit / _MINUTE_S
