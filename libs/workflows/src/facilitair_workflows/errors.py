"""What this package raises."""


class WorkflowsError(Exception):
    """Root of what this package raises."""


class ExpressionError(WorkflowsError):
    """A CEL expression cannot be evaluated on what there is."""

    def __init__(self, *, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"expression {source!r}: {reason}")


class EndedError(WorkflowsError):
    """Something asked for the workflow of a collaboration that is over: a fault of this package."""

    def __init__(self, *, collaboration: str) -> None:
        super().__init__(f"collaboration {collaboration} has ended and keeps no workflow")


class UnfundedError(WorkflowsError):
    """Something asked for the envelope of a collaboration without one: a fault of this package."""

    def __init__(self, *, collaboration: str) -> None:
        super().__init__(f"nobody keeps accounts of collaboration {collaboration}")


class UnknownLogicError(WorkflowsError):
    """A collaboration asks for a version of ``decide`` that this code does not have (R9)."""

    def __init__(self, *, logic: int, known: int) -> None:
        super().__init__(
            f"logic {logic} is newer than {known}, the newest known here; upgrade this service"
        )


class PatternError(WorkflowsError):
    """A pattern cannot be matched in linear time, or is none."""

    def __init__(self, *, pattern: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the pattern {pattern[:100]!r} cannot be used: {reason}; it must be of RE2, without"
            " look-around and back references"
        )
