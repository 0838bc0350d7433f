"""What a command cannot do, in words for the one who typed it; each knows its exit code."""

from collections.abc import Sequence
from pathlib import Path

from facilitair_cli.exits import ExitCode


class CommandError(Exception):
    """Root of what this package raises; the message says what to do."""

    code = ExitCode.FAILED


class UsageError(CommandError):
    """The command line is wrong."""

    code = ExitCode.USAGE


class OptionError(UsageError):
    """An option or argument cannot be used."""

    def __init__(self, *, option: str, reason: str) -> None:
        self.option = option
        super().__init__(f"{option}: {reason}")


class VariablesError(UsageError):
    """The environment holds names of ours that nobody reads."""

    def __init__(self, *, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n  ".join(["the environment:", *self.faults]))


class RefusedError(CommandError):
    """The gateway refused a request."""

    code = ExitCode.REFUSED

    def __init__(self, *, detail: str, faults: Sequence[str] = ()) -> None:
        self.faults = tuple(faults)
        lines = self.faults if len(self.faults) > 1 else (detail,)
        super().__init__(
            "\n  ".join(["refused:", *lines] if len(lines) > 1 else [f"refused: {detail}"])
        )


class KeyNeededError(CommandError):
    """The gateway does not know who asks."""

    code = ExitCode.REFUSED

    def __init__(self, *, detail: str) -> None:
        super().__init__(f"refused: {detail} (it is read from FACILITAIR_API_KEY)")


class StateFolderError(CommandError):
    """The folder of the state cannot be used."""

    def __init__(self, *, folder: Path, reason: str) -> None:
        super().__init__(f"cannot use {folder}: {reason}; set FACILITAIR_HOME to another folder")


class StateTooNewError(CommandError):
    """The state was written by a newer version."""

    def __init__(self, *, folder: Path, found: int, known: int) -> None:
        super().__init__(
            f"the state in {folder} was written by a newer Facilitair (version {found},"
            f" this one knows {known}); upgrade, or set FACILITAIR_HOME to another folder"
        )


class StartError(CommandError):
    """Facilitair cannot start; all that is wrong is told at once."""

    def __init__(self, *, faults: Sequence[str]) -> None:
        self.faults = tuple(dict.fromkeys(faults))
        lines = [line for fault in self.faults for line in fault.splitlines()]
        super().__init__("\n  ".join(["Facilitair cannot start:", *lines]))


class AlreadyUpError(CommandError):
    """Another process has the state open."""

    def __init__(self, *, pid: int | None, url: str | None) -> None:
        self.pid = pid
        self.url = url
        holder = "another process" if pid is None else f"process {pid}"
        place = f" on {url}" if url else ""
        super().__init__(f"Facilitair is up already: {holder}{place}; `facilitair down` stops it")


class StoppingError(CommandError):
    """A process does not end, not even by force."""

    def __init__(self, *, pid: int) -> None:
        super().__init__(f"process {pid} does not end; look at it and try again")


class SoloDiedError(CommandError):
    """The process that was to serve ended before it did."""

    def __init__(self, *, exit_code: int | None, log_file: Path) -> None:
        super().__init__(f"Facilitair did not start (exit code {exit_code}); see {log_file}")


class SlowStartError(CommandError):
    """The process that was to serve did not say in time that it does."""

    def __init__(self, *, waited_s: float, log_file: Path) -> None:
        super().__init__(
            f"Facilitair was not ready within {waited_s:g} s and was stopped; see {log_file}."
            " On a busy machine, try again when it has less to do"
        )


class NotUpError(CommandError):
    """There is no gateway to talk to."""

    def __init__(self) -> None:
        super().__init__(
            "Facilitair is not up; start it with `facilitair up --detach`,"
            " or set FACILITAIR_URL to a gateway"
        )


class GatewayError(CommandError):
    """The gateway did not answer, or not in a way that can be used."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


class UnreachableError(GatewayError):
    """The gateway is away, or not ready; another try may help."""


class NotFoundError(CommandError):
    """What was named does not exist."""

    def __init__(self, *, what: str) -> None:
        super().__init__(what)
