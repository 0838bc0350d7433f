"""What stands before one model of one provider: two buckets, a pause, and a breaker; pure."""

from typing import Final

from msgspec import Struct

from facilitair_agent_worker.breaker import Breaker, BreakerRules, Ending, Pass
from facilitair_agent_worker.buckets import Bucket
from facilitair_events.definitions import RateLimits
from facilitair_llm.provider_faults import MAX_RETRY_AFTER_S
from facilitair_llm.rate_headers import Rates

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


class Place(Struct, frozen=True, kw_only=True):
    """A place in the line before a gate. ``tokens`` were taken for what the call will use."""

    tokens: float
    taken_s: float


class Ended(Struct, frozen=True, kw_only=True):
    """How a call ended. ``reason`` says it in one word; ``limited`` that it came too soon.

    ``retry_after_s`` is the provider's own wish, ``tokens`` what it counted; None where unknown.
    """

    ending: Ending
    reason: str
    limited: bool = False
    retry_after_s: float | None = None
    tokens: int | None = None


class Gate:
    """All times are seconds of one clock that does not go back."""

    def __init__(self, *, limits: RateLimits, rules: BreakerRules, now_s: float) -> None:
        self.breaker = Breaker(rules)
        self._requests = Bucket(per_minute=limits.requests_per_minute, now_s=now_s)
        self._tokens = Bucket(per_minute=limits.tokens_per_minute, now_s=now_s)
        self._paused_until_s = now_s
        self._refusals = 0
        self.in_use = 0

    def wait_s(self, tokens: int, *, now_s: float) -> float:
        """How long a call has to wait that gets in line now, behind those who wait."""
        return max(
            self.pause_s(now_s=now_s),
            self._requests.wait_s(1, now_s=now_s),
            self._tokens.wait_s(tokens, now_s=now_s),
        )

    def pause_s(self, *, now_s: float) -> float:
        """How long the provider wants to hear nothing, whoever is in line."""
        return max(self._paused_until_s - now_s, 0.0)

    def line_up(self, tokens: int, *, now_s: float) -> Place:
        """Take a place in line; its turn is after the wait that ``wait_s`` told before."""
        self._requests.take(1, now_s=now_s)
        self.in_use += 1
        return Place(tokens=self._tokens.take(tokens, now_s=now_s), taken_s=now_s)

    def leave_line(self, place: Place) -> None:
        """The call is not made after all."""
        self._requests.put_back(1)
        self._tokens.put_back(place.tokens)
        self.in_use -= 1

    def send_away(self, tokens: int, *, now_s: float) -> float:
        """When somebody who does not get in line should come back."""
        return max(
            self.pause_s(now_s=now_s),
            self._requests.promise(1, longest_s=MAX_RETRY_AFTER_S, now_s=now_s),
            self._tokens.promise(tokens, longest_s=MAX_RETRY_AFTER_S, now_s=now_s),
        )

    def hear(self, rates: Rates, *, now_s: float) -> None:
        """Take over what an answer's headers say."""
        for bucket, window in ((self._requests, rates.requests), (self._tokens, rates.tokens)):
            if window is None:
                continue
            bucket.learn(window, now_s=now_s)
            if window.fixed and window.remaining == 0 and window.reset_s is not None:
                self._pause(window.reset_s, now_s=now_s)

    def end(self, place: Place, leave: Pass, *, ended: Ended, now_s: float) -> None:
        """A call that was let through is over."""
        self.in_use -= 1
        self.breaker.leave(leave, ended.ending, reason=ended.reason, now_s=now_s)
        if ended.tokens is not None:
            self._tokens.put_back(place.tokens - ended.tokens)
        if ended.limited:
            self._refused(place, retry_after_s=ended.retry_after_s, now_s=now_s)
            return
        if ended.retry_after_s is not None:
            self._pause(ended.retry_after_s, now_s=now_s)
        if ended.ending == "answered":
            self._refusals = 0
            self._requests.speed_up(now_s=now_s)

    def _refused(self, place: Place, *, retry_after_s: float | None, now_s: float) -> None:
        """It was too much: a provider that does not say how long is asked ever more rarely."""
        self._refusals += 1
        pause_s = min(_FIRST_PAUSE_S * 2 ** min(self._refusals - 1, 16), _LONGEST_PAUSE_S)
        self._pause(pause_s if retry_after_s is None else retry_after_s, now_s=now_s)
        self._requests.slow_down(asked_s=place.taken_s, now_s=now_s)

    def _pause(self, seconds: float, *, now_s: float) -> None:
        until_s = now_s + min(seconds, MAX_RETRY_AFTER_S)
        self._paused_until_s = max(self._paused_until_s, until_s)
