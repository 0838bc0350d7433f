"""How the command ends."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit code tells a script."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INTERRUPTED = 130


_ENDS = {"completed": ExitCode.DONE, "refused": ExitCode.REFUSED}


def code_for(status: str, *, cancelled_here: bool = False) -> ExitCode:
    """The exit code for the status that a collaboration ended with."""
    if status == "cancelled" and cancelled_here:
        return ExitCode.INTERRUPTED
    return _ENDS.get(status, ExitCode.FAILED)
