"""A history, decoded once and put in order for the rules."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from msgspec import Struct

from facilitair_events.codec import decode
from facilitair_events.collaboration import PublicEvent
from facilitair_events.envelope import Envelope, from_headers, header
from facilitair_events.errors import EventsError, KeyFormatError
from facilitair_events.keys import split_collaboration_key, split_task_key
from facilitair_events.registry import DLQ_SUFFIX
from facilitair_events.stream import AttemptReset, AttemptStarted, Token
from facilitair_events.topics import (
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_EVENTS,
    COLLABORATION_INBOX,
    COLLABORATION_STATE,
    COLLABORATION_STREAM,
    LLM_CALLS,
    WORKER_CONTROL,
)
from facilitair_events.types import NAMES, TERMINAL_KINDS, kind_of
from facilitair_events.work import RunAttempt
from facilitair_messaging.ports import Record
from facilitair_testing.history.types import History, ProviderLine, Terms, Violation

TOKEN_TYPE: Final = NAMES[Token].encode()
STARTED: Final = "started"
"""How the provider's journal says that a request came."""

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
        """Where it lies."""
        return place(self.record)

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


class Index:
    """What the rules look things up in. Lists are in log order per partition."""

    def __init__(self, history: History, terms: Terms) -> None:
        self.history: Final = history
        self.terms: Final = terms
        self.topics: Final = _by_topic(history)
        self.inbox: Final = self._by_key(COLLABORATION_INBOX)
        self.stream: Final = self._by_key(COLLABORATION_STREAM)
        self.state: Final = self._by_key(COLLABORATION_STATE)
        self.stops: Final = self._by_key(WORKER_CONTROL)
        self.copies: Final = {key: list(_public(found)) for key, found in self.stream.items()}
        self.events: Final = {
            key: list(_public(found)) for key, found in self._by_key(COLLABORATION_EVENTS).items()
        }
        self.first: Final = {key: _first_of_each_seq(found) for key, found in self.events.items()}
        self.tasks: Final = self._tasks()
        self.ledger: Final = self._by_key(LLM_CALLS, prefix=True)
        self.attempts: Final = self._written()
        self.requests: Final = _requests(history.provider)
        self.letters: Final = [
            entry
            for topic, found in self.topics.items()
            if topic.endswith(DLQ_SUFFIX)
            for entry in found
        ]

    @property
    def keys(self) -> list[str]:
        """Every collaboration that has an event."""
        return list(self.first)

    def terminal(self, key: str) -> Entry | None:
        """The first terminal event of a collaboration."""
        found = (e for e in self.first.get(key, {}).values() if e.kind in TERMINAL_KINDS)
        return next(found, None)

    def task(self, attempt: AttemptId) -> RunAttempt | None:
        """The task of an attempt."""
        found = self.tasks.get(attempt)
        data = found[0].data if found else None
        return data if isinstance(data, RunAttempt) else None

    def _by_key(self, topic: str, *, prefix: bool = False) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.topics.get(topic, ()):
            found[entry.key.partition("|")[0] if prefix else entry.key].append(entry)
        return dict(found)

    def _tasks(self) -> dict[AttemptId, list[Entry]]:
        found: dict[AttemptId, list[Entry]] = defaultdict(list)
        for topic in (AGENT_TASKS, AGENT_TASKS_BATCH):
            for entry in self.topics.get(topic, ()):
                key = collaboration_of(entry.key)
                if isinstance(entry.data, RunAttempt) and key is not None:
                    found[AttemptId(key, entry.data.path, entry.data.attempt)].append(entry)
        return dict(found)

    def _written(self) -> dict[AttemptId, list[Entry]]:
        """Announcements and tokens of each attempt, in the order of the stream."""
        found: dict[AttemptId, list[Entry]] = defaultdict(list)
        for key, entries in self.stream.items():
            for entry in entries:
                if isinstance(entry.data, Token | AttemptStarted | AttemptReset):
                    found[AttemptId(key, entry.data.step, entry.data.attempt)].append(entry)
        return dict(found)


def place(record: Record) -> str:
    """``topic/partition@offset``."""
    return f"{record.topic}/{record.partition}@{record.offset}"


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


def grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    """Lists by name, in the order of the pairs."""
    found: dict[str, list[T]] = defaultdict(list)
    for name, item in pairs:
        found[name].append(item)
    return dict(found)


def _by_topic(history: History) -> dict[str, list[Entry]]:
    return grouped((record.topic, _entry(record)) for record in history.records)


def _entry(record: Record) -> Entry:
    if record.value is None or record.key is None:
        return Entry(record, fault="its value is null" if record.value is None else "its key is")
    try:
        if header(record.headers, "ce_type") == TOKEN_TYPE:
            return Entry(record, decode(NAMES[Token], record.value))
        envelope = from_headers(record.headers)
        return Entry(record, decode(envelope.type, record.value), envelope)
    except EventsError as error:
        return Entry(record, fault=str(error))


def _public(entries: list[Entry]) -> Iterator[Entry]:
    return (entry for entry in entries if isinstance(entry.data, PublicEvent))


def _first_of_each_seq(entries: list[Entry]) -> dict[int, Entry]:
    found: dict[int, Entry] = {}
    for entry in entries:
        found.setdefault(entry.data.seq, entry)
    return dict(sorted(found.items()))


def _requests(lines: tuple[ProviderLine, ...]) -> dict[str, list[ProviderLine]]:
    return grouped((line.call_id or "", line) for line in lines if line.outcome == STARTED)
