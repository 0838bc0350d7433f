"""What accounts raises."""


class AccountsError(Exception):
    """Root of what this package raises."""


class PollsTooRareError(AccountsError, ValueError):
    """A reducer that polls so rarely would be taken for dead."""

    def __init__(self, *, silent_s: float) -> None:
        super().__init__(f"heartbeat_s must be below health.silent_s, which is {silent_s:g}")
