"""What this package raises; each message says what to do."""

from pathlib import Path


class NativeError(Exception):
    """Root of what this package raises."""


class MissingProgramError(NativeError):
    """A program that a server needs is not on this machine, or is too old."""

    def __init__(self, *, program: str, needed_for: str, found: str, remedy: str) -> None:
        self.program = program
        super().__init__(f"{needed_for} needs {program}, {found}: {remedy}")


class FetchError(NativeError):
    """The files of a server could not be fetched."""

    def __init__(self, *, what: str, reason: str) -> None:
        super().__init__(f"cannot fetch {what}: {reason}")


class CacheError(NativeError):
    """The download cache cannot be used."""

    def __init__(self, *, folder: Path, reason: str) -> None:
        super().__init__(
            f"cannot use the cache {folder} ({reason}); set FACILITAIR_CACHE to another folder"
        )


class ServerStartError(NativeError):
    """A server ended while it started, was refused its settings, or was not ready in time."""

    def __init__(self, *, server: str, reason: str, log_file: Path, tail: str) -> None:
        self.server = server
        self.log_file = log_file
        shown = f"\nThe end of its log:\n{tail}" if tail else ""
        super().__init__(f"{server} did not start: {reason}; see {log_file}{shown}")


class ServerStateError(NativeError):
    """A server was asked for something that it cannot do as it is, e.g. to start twice."""

    def __init__(self, *, server: str, reason: str) -> None:
        super().__init__(f"{server} {reason}")


class NoPortsError(NativeError):
    """Too few ports of this machine are free."""

    def __init__(self, *, count: int, lowest: int, highest: int) -> None:
        super().__init__(f"found no {count} free ports between {lowest} and {highest}")
