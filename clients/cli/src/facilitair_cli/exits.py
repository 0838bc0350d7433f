"""How the command ends."""

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit code tells a script."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INTERRUPTED = 130


_ENDS = {"completed": ExitCode.DONE, "refused": ExitCode.REFUSED}
_NO_MONEY = frozenset({"budget_exceeded", "budget_unavailable"})


def code_for(status: str, *, faults: Iterable[str] = (), cancelled_here: bool = False) -> ExitCode:
    """The exit code for the status that a collaboration ended with, and its codes of faults.

    One that failed because money was refused was refused.
    """
    if status == "cancelled" and cancelled_here:
        return ExitCode.INTERRUPTED
    if status == "failed" and _NO_MONEY.intersection(faults):
        return ExitCode.REFUSED
    return _ENDS.get(status, ExitCode.FAILED)
