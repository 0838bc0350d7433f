"""One record as the rules see it, and what names things."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any, Final, TypeVar

from msgspec import Struct

from facilitair_events.codec import decode
from facilitair_events.envelope import Envelope, from_headers, header
from facilitair_events.errors import EventsError, KeyFormatError
from facilitair_events.keys import split_collaboration_key, split_task_key
from facilitair_events.stream import Token
from facilitair_events.types import NAMES, kind_of
from facilitair_messaging.ports import Record
from facilitair_testing.history.types import Violation

TOKEN_TYPE: Final = NAMES[Token].encode()

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Entry(Struct, frozen=True, gc=False):
    """A record and what it says.

    ``data`` is None when it cannot be read, ``fault`` says why then. Tokens have no envelope.
    """

    record: Record
    data: Any = None
    envelope: Envelope | None = None
    fault: str | None = None

    @property
    def place(self) -> str:
        """``topic/partition@offset``."""
        return f"{self.record.topic}/{self.record.partition}@{self.record.offset}"

    @property
    def at_ms(self) -> int:
        """When it was appended."""
        return self.record.timestamp_ms

    @property
    def offset(self) -> int:
        """Where in its partition it lies."""
        return self.record.offset

    @property
    def key(self) -> str:
        """Its key as text."""
        return (self.record.key or b"").decode(errors="backslashreplace")

    @property
    def kind(self) -> str:
        """The public kind of what it says; empty when it cannot be read."""
        return "" if self.data is None else kind_of(NAMES[type(self.data)])

    @property
    def cause(self) -> str | None:
        """The id of the record that caused it."""
        return None if self.envelope is None else self.envelope.causation


class AttemptId(Struct, frozen=True, gc=False):
    """An attempt of a collaboration; ``key`` is the collaboration's."""

    key: str
    path: str
    attempt: int

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.path}"


def entry_of(record: Record) -> Entry:
    """Read a record, or say why it cannot be read."""
    if record.value is None or record.key is None:
        return Entry(record, fault="its value is null" if record.value is None else "no key")
    try:
        if header(record.headers, "ce_type") == TOKEN_TYPE:
            return Entry(record, decode(NAMES[Token], record.value))
        envelope = from_headers(record.headers)
        return Entry(record, decode(envelope.type, record.value), envelope)
    except EventsError as error:
        return Entry(record, fault=str(error))


def violation(rule: str, *entries: Entry, key: str, text: str) -> Violation:
    """A violation with the places of what shows it."""
    return Violation(rule=rule, key=key, text=text, records=tuple(e.place for e in entries))


def collaboration_of(key: str) -> str | None:
    """The collaboration's key in a key of any topic of collaborations; None in any other."""
    try:
        split_collaboration_key(key)
    except KeyFormatError:
        try:
            tenant, collaboration, _ = split_task_key(key.partition("|")[0])
        except KeyFormatError:
            return None
        return f"{tenant}:{collaboration}"
    return key


def tenant_and_id(key: str) -> tuple[str, str]:
    """``(tenant, collaboration)`` of a collaboration's key."""
    tenant, _, collaboration = key.partition(":")
    return tenant, collaboration


def first_chunks(entries: Iterable[Entry]) -> list[Entry]:
    """The tokens of an attempt without their repeats, in the order in which they first came."""
    found: dict[int, Entry] = {}
    for entry in entries:
        if isinstance(entry.data, Token):
            found.setdefault(entry.data.index, entry)
    return list(found.values())


def grouped(pairs: Iterable[tuple[K, T]]) -> dict[K, list[T]]:
    """Lists by name, in the order of the pairs."""
    found: dict[K, list[T]] = defaultdict(list)
    for name, item in pairs:
        found[name].append(item)
    return dict(found)
