"""Faults of the set-up of logs, metrics and traces."""


class ObservabilityError(Exception):
    """Root of what this package raises."""


class MetricKindError(ObservabilityError):
    """A metric was used as another kind than ``names`` declares."""

    def __init__(self, *, metric: str, declared: str, used_as: str) -> None:
        super().__init__(f"metric {metric!r} is a {declared}, it was used as a {used_as}")


class MetricLabelsError(ObservabilityError):
    """A metric was used with other labels than ``names`` declares."""

    def __init__(self, *, metric: str, declared: tuple[str, ...], got: list[str]) -> None:
        super().__init__(f"metric {metric!r} has labels {declared}, got {got}")


class LogLevelError(ObservabilityError):
    """A log level that does not exist."""

    def __init__(self, *, level: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown log level {level!r}; use one of {', '.join(known)}")
