"""What the log and the loops on it raise."""

from collections.abc import Sequence


class MessagingError(Exception):
    """Root of what this package raises."""


class RetryableError(MessagingError):
    """Handling failed for a reason that may pass: tried again with bounded backoff."""


class PermanentError(MessagingError):
    """Handling failed for good: the record goes to the dead-letter topic now."""


class UnknownTopicError(MessagingError):
    """A topic is not in the registry or not in the log."""

    def __init__(self, *, topic: str) -> None:
        self.topic = topic
        super().__init__(f"unknown topic {topic!r}: is it in schemas/topics, and was it created?")


class TopicDriftError(MessagingError):
    """A topic exists with another partition count than declared; that is never changed."""

    def __init__(self, *, topic: str, declared: int, actual: int) -> None:
        self.topic = topic
        super().__init__(f"topic {topic!r} has {actual} partitions, declared are {declared}")


class RecordRefusedError(MessagingError):
    """The log refuses a record for good."""

    def __init__(self, *, topic: str, reason: str) -> None:
        self.topic = topic
        super().__init__(f"record for {topic!r} refused: {reason}")


class RecordTooLargeError(RecordRefusedError):
    """A record has more bytes than its topic takes; every other record is as welcome as before."""


class ProduceUnknownError(MessagingError):
    """It is not known which messages of a call are in the log (R4)."""

    def __init__(self, *, topics: tuple[str, ...], reason: str) -> None:
        self.topics = topics
        super().__init__(f"produce to {', '.join(topics)} ended without an answer: {reason}")


class NotAssignedError(MessagingError):
    """A partition is not assigned to this member."""

    def __init__(self, *, topic: str, partition: int) -> None:
        super().__init__(f"{topic}[{partition}] is not assigned")


class MemberFencedError(MessagingError):
    """Another live process joined the group under the static name of this one (R2)."""

    def __init__(self, *, group: str, member: str) -> None:
        self.member = member
        super().__init__(
            f"another process joined group {group!r} as {member!r} after this one, and lives; "
            "give every process a member name of its own, or stop one of the two"
        )


class CommitRefusedError(MessagingError):
    """This member no longer owns what it tried to commit."""

    def __init__(self, *, group: str, reason: str) -> None:
        super().__init__(f"commit of group {group!r} refused: {reason}")


class CommitUnknownError(CommitRefusedError):
    """The log did not answer: it is not known whether the commit is stored; commit again."""


class LogUnavailableError(MessagingError):
    """The log does not answer: it is away, still starting, or somewhere else. Nothing changed."""

    def __init__(self, *, address: str, wanted: str, reason: str) -> None:
        self.address = address
        super().__init__(
            f"the log at {address} did not answer ({wanted}): {reason}; "
            "is the cluster running, and is the address right?"
        )


class LogAccessError(MessagingError):
    """The log refuses this client: wrong credentials, certificate or protocol, or no permission."""

    def __init__(self, *, address: str, wanted: str, reason: str) -> None:
        self.address = address
        super().__init__(
            f"the log at {address} refuses access ({wanted}): {reason}; "
            "check the credentials, the security protocol, and the permissions of this user"
        )


class TopicConfigError(MessagingError):
    """A topic exists with settings under which the log's rules do not hold."""

    def __init__(self, *, topic: str, differences: tuple[str, ...]) -> None:
        self.topic = topic
        super().__init__(f"topic {topic!r} differs from its declaration: {'; '.join(differences)}")


class OffsetOutOfRangeError(MessagingError):
    """A position does not exist: it expired, or was never written."""

    def __init__(self, *, topic: str, partition: int, offset: int, beginning: int) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.beginning = beginning
        super().__init__(f"{topic}[{partition}] has no offset {offset}; it begins at {beginning}")


class GroupActiveError(MessagingError):
    """A group with members cannot be moved from outside."""

    def __init__(self, *, group: str) -> None:
        super().__init__(f"group {group!r} has members; stop them first")


class UnreadableRecordError(PermanentError):
    """A record cannot be decoded: a header, the type or a field of the value is at fault."""

    def __init__(self, *, topic: str, partition: int, offset: int, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{topic}[{partition}]@{offset} cannot be read: {reason}")


class EnvelopeMismatchError(MessagingError):
    """An envelope was made for another type of data than it is sent with."""

    def __init__(self, *, declared: str, actual: str) -> None:
        super().__init__(f"the envelope says {declared!r}, the data is {actual!r}")


class ReadOrderError(MessagingError):
    """A partition was read or finished out of order: a fault of an adapter or of the loop."""

    def __init__(self, *, offset: int, reason: str) -> None:
        super().__init__(f"offset {offset} {reason}")


class LoopSettingsError(MessagingError):
    """A knob of a consumer loop has a value that makes no sense."""

    def __init__(self, *, name: str, rule: str, value: float) -> None:
        super().__init__(f"{name} {rule}, it is {value}")


class UnhandledTypeError(PermanentError):
    """A record has a type that this consumer has no handler for."""

    def __init__(self, *, topic: str, type_name: str) -> None:
        super().__init__(f"no handler for {type_name!r} on {topic!r}")


class RejectionLimitError(MessagingError):
    """A consumer rejects so much that the fault is likely its own; it stops before more is lost."""

    def __init__(self, *, topic: str, partition: int, offset: int, error: str, reason: str) -> None:
        super().__init__(
            f"{topic}[{partition}]: {reason}, the last one at offset {offset} with {error}; the "
            "consumer stops before it gives up more. `facilitair dlq ls` and the log show what was "
            "given up, and why. Mend or upgrade what writes or reads these records, then start "
            "again: nothing behind them is lost. To give up more in a row, raise "
            "REJECTIONS__MAX_CONSECUTIVE or REJECTIONS__MAX_RATIO of this service"
        )


class TestingOnlyError(MessagingError, ValueError):
    """A setting that only tests may use; a ValueError so that the setting is named."""

    def __init__(self, *, needs: str) -> None:
        super().__init__(f"it is for tests and needs {needs}; unset it")


class CrashSpecError(MessagingError):
    """A crash point was asked for that cannot be armed. ``faults`` lists all that is wrong."""

    def __init__(self, *, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class PartitionClosedError(MessagingError):
    """A record is not handed out any more: its partition is being let go."""

    def __init__(self, *, topic: str, partition: int) -> None:
        super().__init__(f"{topic}[{partition}] is being let go")


class ReplyTimeoutError(MessagingError):
    """No answer came in time. The request may have been carried out, or may still be."""

    def __init__(self, *, topic: str, correlation: str, timeout_s: float) -> None:
        self.correlation = correlation
        super().__init__(f"no reply to {correlation!r} on {topic!r} within {timeout_s:g} s")
