"""Faults of definition files: collected, then raised together."""

from msgspec import Struct

from facilitair_workflows.errors import WorkflowsError


class FileFault(Struct, frozen=True, order=True):
    """What is wrong with a file at a line, counted from 1.

    ``file`` is relative to the directory that was loaded.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class DefinitionsError(WorkflowsError):
    """Definition files are wrong. ``faults`` has all that is wrong with them, by file and line."""

    def __init__(self, *, faults: list[FileFault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Findings:
    """The faults of one file, in the order they are found; each is kept once."""

    def __init__(self, *, file: str) -> None:
        self.file = file
        self.faults: list[FileFault] = []

    def add(self, line: int, message: str) -> None:
        """Keep a fault at a line of the file."""
        fault = FileFault(self.file, line, message)
        if fault not in self.faults:
            self.faults.append(fault)
