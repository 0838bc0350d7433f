"""A clock that goes on only when a test says so."""


class FakeClock:
    """Milliseconds since the epoch; may be given wherever a ``Callable[[], int]`` is wanted."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        """Go on by ``ms``, or back when it is negative, as a wall clock may."""
        self.now_ms += ms
