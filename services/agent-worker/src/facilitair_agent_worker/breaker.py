"""A circuit breaker that judges calls by how their streams ended; pure."""

from typing import Literal

from msgspec import Struct

State = Literal["closed", "open", "half_open"]
Ending = Literal["answered", "failed", "barred", "undecided"]
"""How a call ended, for the breaker.

``answered``: the model came to an end of its own. ``failed``: the provider did not get that far.
``barred``: it refused our key or our account. ``undecided``: it says nothing of the provider.
"""


class BreakerRules(Struct, frozen=True, kw_only=True):
    """When a breaker opens, and for how long.

    ``failures`` in a row open it for ``open_s``, each time ``growth`` times longer, up to
    ``longest_s``. A call that is barred opens it at once, for at least ``barred_s``.
    """

    failures: int = 5
    open_s: float = 10.0
    growth: float = 2.0
    longest_s: float = 300.0
    barred_s: float = 60.0


class Pass(Struct, frozen=True, kw_only=True):
    """Leave to make one call. Only what was let through in the present ``turn`` counts."""

    turn: int
    probe: bool = False


class Breaker:
    """Closed, open for a while, then half open with exactly one probe.

    All times are seconds of one clock that does not go back.
    """

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._turn = 0
        self._failures = 0
        self._openings = 0
        self._until_s = 0.0
        self._reason = ""
        self._barred = False
        self._probing = False
        self.state: State = "closed"

    @property
    def reason(self) -> str:
        """What the last failure was."""
        return self._reason

    @property
    def failures(self) -> int:
        """How many calls failed in a row."""
        return self._failures

    @property
    def barred(self) -> bool:
        """Whether asking again helps only after somebody did something about it."""
        return self._barred

    def retry_after_s(self, *, now_s: float) -> float | None:
        """How long nobody may call; None when a call, or the probe, may go through."""
        if self.state == "open" and now_s < self._until_s:
            return self._until_s - now_s
        return self._open_s() if self._probing else None

    def enter(self, *, now_s: float) -> Pass | None:
        """Let a call through; None while that is not allowed."""
        if self.retry_after_s(now_s=now_s) is not None:
            return None
        if self.state == "closed":
            return Pass(turn=self._turn)
        self.state, self._probing = "half_open", True
        return Pass(turn=self._turn, probe=True)

    def leave(self, leave: Pass, ending: Ending, *, reason: str, now_s: float) -> None:
        """Judge a call that was let through. One of an earlier turn changes nothing."""
        if leave.turn != self._turn:
            return
        self._probing = self._probing and not leave.probe
        if ending == "answered":
            self._close()
        elif ending in {"failed", "barred"}:
            self._fail(reason, barred=ending == "barred", now_s=now_s)
        # A probe that decides nothing leaves it half open: the next call is the probe.

    def _close(self) -> None:
        if self.state != "closed":
            self._turn += 1
        self.state, self._failures, self._openings = "closed", 0, 0
        self._barred = False

    def _fail(self, reason: str, *, barred: bool, now_s: float) -> None:
        self._failures += 1
        self._reason, self._barred = reason, barred
        if self.state == "closed" and self._failures < self._rules.failures and not barred:
            return
        self.state = "open"
        self._turn += 1
        self._openings += 1
        self._until_s = now_s + self._open_s()

    def _open_s(self) -> float:
        rules = self._rules
        # Bounded before the power: a breaker may stay broken for weeks.
        grown = rules.open_s * rules.growth ** min(max(self._openings - 1, 0), 64)
        longest_s = max(rules.longest_s, rules.open_s)
        return max(min(grown, longest_s), rules.barred_s if self._barred else 0.0)
