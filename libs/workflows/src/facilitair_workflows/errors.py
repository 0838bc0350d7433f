"""What this package raises."""


class WorkflowsError(Exception):
    """Root of what this package raises."""


class ExpressionError(WorkflowsError):
    """A CEL expression cannot be evaluated on what there is."""

    def __init__(self, *, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"expression {source!r}: {reason}")


class UnknownLogicError(WorkflowsError):
    """A collaboration asks for a version of ``decide`` that this code does not have (R9)."""

    def __init__(self, *, logic: int, known: int) -> None:
        super().__init__(f"logic {logic} is newer than {known}, the newest known here; upgrade this service")


class StateTooLargeError(WorkflowsError):
    """A state would not fit its snapshot."""

    def __init__(self, *, size: int, limit: int) -> None:
        super().__init__(f"state of {size} bytes is over {limit}")
