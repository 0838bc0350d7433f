"""What only the embedded log raises."""

from pathlib import Path

from facilitair_messaging.errors import MessagingError


class LogLockedError(MessagingError):
    """Another process, or another part of this one, has the log open."""

    def __init__(self, *, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"log {path} is open in {holder}; stop it or attach to it")


class LogFormatError(MessagingError):
    """A file is not a log that this version can use."""

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"cannot use {path} as a log: {reason}")


class LogWriteError(MessagingError):
    """The log file could not be written; whether the change is durable may be unknown."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the log could not be written: {reason}")


class LogClosedError(MessagingError):
    """Something was used after its context was left."""

    def __init__(self, *, what: str) -> None:
        super().__init__(f"the {what} is closed")


class MemberActiveError(MessagingError):
    """A group has a member of this name already; static names are unique among live members."""

    def __init__(self, *, group: str, member: str) -> None:
        super().__init__(f"group {group!r} already has a member {member!r}")
