"""How many frames a client may send: a bucket that fills with time. Pure."""


class Allowance:
    """``per_s`` a second in the long run, and ``burst`` at once after silence."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, *, per_s: float, burst: int, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more is allowed at ``now`` (seconds, never going back)."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
