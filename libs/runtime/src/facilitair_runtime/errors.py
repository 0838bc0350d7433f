"""What this package raises."""

from collections.abc import Sequence
from typing import Final

from facilitair_messaging.errors import PermanentError

_NAMED_CHARS: Final = 200
"""How much of a foreign key is told; reasons travel in headers."""


class ServiceError(Exception):
    """Root of what this package raises."""


class SettingsError(ServiceError):
    """Settings cannot be used. ``faults`` lists all of them, each naming its variable."""

    def __init__(self, *, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"the settings cannot be used:\n{lines}")


class ArtifactError(ServiceError, PermanentError):
    """An artifact cannot be had; trying again gives the same answer."""


class ArtifactReferenceError(ArtifactError):
    """A reference does not name an artifact of this store."""

    def __init__(self, *, uri: str, reason: str) -> None:
        self.uri = uri
        super().__init__(f"{uri!r} is no artifact: {reason}")


class ArtifactMissingError(ArtifactError):
    """No blob lies where the reference points: it was erased, or was never stored."""

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"artifact {uri} is not in the store")


class ArtifactCorruptError(ArtifactError):
    """The blob is not what its digest says."""

    def __init__(self, *, uri: str, found: str) -> None:
        self.uri = uri
        super().__init__(f"artifact {uri} holds other bytes: their sha256 is {found}")


class ReducerError(ServiceError):
    """The reducer cannot go on; the process stops, nothing is lost."""


class LogicTooNewError(ReducerError):
    """A record or state needs a newer version of the code (R9)."""

    def __init__(self, *, logic: int, known: int) -> None:
        self.logic = logic
        self.known = known
        super().__init__(
            f"logic {logic} is newer than {known}, the newest here: upgrade this service, and every"
            " other process of it; nothing of it was decided or committed, so it goes on from here"
        )


class ForeignSnapshotError(ReducerError):
    """A record of the state topic is no snapshot of this reducer."""

    def __init__(self, *, topic: str, offset: int) -> None:
        super().__init__(f"{topic}@{offset} is no snapshot of this service")


class SnapshotTooNewError(ReducerError):
    """A snapshot has a form that this version does not know (R9)."""

    def __init__(self, *, topic: str, offset: int, form: str) -> None:
        super().__init__(f"{topic}@{offset} is a {form[:_NAMED_CHARS]}: upgrade this service")


class PartitionCountError(ReducerError):
    """Inbox and state topic must have the same partitions: a key's snapshots lie beside it."""

    def __init__(self, *, inbox: int, state: int) -> None:
        super().__init__(f"the inbox has {inbox} partitions, its state topic {state}")


class RebuildError(ReducerError):
    """The states of a partition could not be loaded."""

    def __init__(self, *, topic: str, partition: int, position: int, end: int) -> None:
        super().__init__(
            f"{topic}[{partition}] fell silent at {position} while states up to {end} were loaded"
        )


class StateLostError(ReducerError):
    """A key that never fails cannot be read any more: going on would forget what it held."""

    def __init__(self, *, topic: str, key: str) -> None:
        self.key = key
        super().__init__(
            f"no snapshot of {key} in {topic} can be read, and the records that led to it are"
            f" gone; restore a snapshot of it from a backup of {topic}, then start again"
        )


class InvalidDecisionError(ServiceError):
    """``decide`` broke its contract; the key is parked (R13)."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"decide broke its contract: {reason}")


class OversizeError(ServiceError):
    """A decision does not fit the log; ``Parked`` tells ``decide`` the ``reason`` instead (R8)."""

    def __init__(self, *, reason: str, size: int, limit: int) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {size} bytes, the limit is {limit}")


class ForeignKeyError(ServiceError, PermanentError):
    """A record's key is not the one its headers give: it was forged, or miswritten."""

    def __init__(self, *, key: str, expected: str) -> None:
        super().__init__(f"the record has key {_short(key)}, its headers give {_short(expected)}")


def _short(text: str) -> str:
    return repr(text[:_NAMED_CHARS])


class SequenceGapError(ServiceError):
    """Events of a key are missing between two that were read (R12)."""

    def __init__(self, *, key: str, last: int, seq: int) -> None:
        self.key = key
        super().__init__(f"{key}: after event {last} came {seq}; stop and read again from the log")


class PoisonRecordError(ServiceError, PermanentError):
    """A record on which the reducer raised. It says which error, never what the record held."""

    def __init__(self, *, topic: str, partition: int, offset: int, error: str) -> None:
        super().__init__(f"{topic}[{partition}]@{offset} raised {error}")


class NothingHeldError(ServiceError):
    """A snapshot of a key was asked for that holds no state: a fault of this package."""

    def __init__(self, *, key: str) -> None:
        super().__init__(f"key {key!r} holds no state")


class AppEndedError(ServiceError):
    """A service returned though nobody had stopped it."""

    def __init__(self, *, service: str) -> None:
        super().__init__(f"{service} ended by itself")


class WedgedError(ServiceError):
    """A service runs and gets nowhere."""

    def __init__(self, *, reasons: Sequence[str]) -> None:
        super().__init__(f"wedged: {'; '.join(reasons)}")


class CriticalServiceError(ServiceError):
    """A service without which the process is no use fails again and again."""

    def __init__(
        self, *, service: str, failures: int, window_s: float, error: BaseException
    ) -> None:
        self.service = service
        super().__init__(
            f"{service} failed {failures} times within {window_s:g} s, at last with "
            f"{type(error).__name__}: {error}"
        )


class PollsTooRareError(ServiceError, ValueError):
    """A reducer that polls so rarely would be taken for dead."""

    def __init__(self, *, silent_s: float) -> None:
        super().__init__(f"heartbeat_s must be below health.silent_s, which is {silent_s:g}")
