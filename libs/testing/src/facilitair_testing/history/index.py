"""A history, decoded once and put in order for the rules."""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

from facilitair_events.collaboration import PublicEvent
from facilitair_events.registry import DLQ_SUFFIX
from facilitair_events.state import CollaborationSnapshot
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
from facilitair_events.types import TERMINAL_KINDS
from facilitair_events.work import RunAttempt
from facilitair_testing.history.books import Books
from facilitair_testing.history.entries import (
    AttemptId,
    Entry,
    collaboration_of,
    entry_of,
    grouped,
)
from facilitair_testing.history.ledgers import LedgerView
from facilitair_testing.history.replaying import Replay, replay
from facilitair_testing.history.types import History, ProviderLine, Terms

STARTED: Final = "started"
"""How the provider's journal says that a request came."""


class Index:
    """What the rules look things up in. Lists are in log order per partition.

    ``inbox`` is by collaboration with what cannot be read, ``state`` holds snapshots only.
    ``events`` and their ``copies`` on the stream are by collaboration, with their repeats;
    ``first`` is without, by seq. ``attempts`` is what was written of each attempt on the stream.
    """

    def __init__(self, history: History, terms: Terms) -> None:
        self.history: Final = history
        self.terms: Final = terms
        self.topics: Final = grouped((r.topic, entry_of(r)) for r in history.records)
        self.inbox: Final = self._by_key(COLLABORATION_INBOX)
        self.state: Final = grouped(
            (entry.key, entry)
            for entry in self.topics.get(COLLABORATION_STATE, ())
            if isinstance(entry.data, CollaborationSnapshot)
        )
        self.stops: Final = self._by_key(WORKER_CONTROL)
        stream = self._by_key(COLLABORATION_STREAM)
        events = self._by_key(COLLABORATION_EVENTS)
        self.copies: Final = {key: list(_public(found)) for key, found in stream.items()}
        self.events: Final = {key: list(_public(found)) for key, found in events.items()}
        self.first: Final = {key: _first_of_each_seq(found) for key, found in self.events.items()}
        self.attempts: Final = grouped(
            (AttemptId(key, entry.data.step, entry.data.attempt), entry)
            for key, entries in stream.items()
            for entry in entries
            if isinstance(entry.data, Token | AttemptStarted | AttemptReset)
        )
        self.attempts_of: Final = grouped((attempt.key, attempt) for attempt in self.attempts)
        self.tasks: Final = grouped(self._tasks())
        self.ledger: Final = LedgerView(self.topics.get(LLM_CALLS, []), lease_ms=terms.lease_ms)
        self.requests: Final = _requests(history.provider)
        self.books: Final = Books(self.topics, limits=history.limits)
        self.letters: Final = [
            entry
            for topic, found in self.topics.items()
            if topic.endswith(DLQ_SUFFIX)
            for entry in found
        ]

    @cached_property
    def replays(self) -> dict[str, Replay]:
        """What the inbox of each collaboration leads to."""
        return {
            key: replay(entries, key=key, blobs=self.history.blobs, limits=self.history.limits)
            for key, entries in self.inbox.items()
            if collaboration_of(key) == key
        }

    def terminal(self, key: str) -> Entry | None:
        """The first terminal event of a collaboration."""
        found = (e for e in self.first.get(key, {}).values() if e.kind in TERMINAL_KINDS)
        return next(found, None)

    def task(self, attempt: AttemptId) -> RunAttempt | None:
        """The task of an attempt."""
        found = self.tasks.get(attempt)
        data = found[0].data if found else None
        return data if isinstance(data, RunAttempt) else None

    def _by_key(self, topic: str) -> dict[str, list[Entry]]:
        return grouped((entry.key, entry) for entry in self.topics.get(topic, ()))

    def _tasks(self) -> Iterator[tuple[AttemptId, Entry]]:
        for topic in (AGENT_TASKS, AGENT_TASKS_BATCH):
            for entry in self.topics.get(topic, ()):
                key = collaboration_of(entry.key)
                if isinstance(entry.data, RunAttempt) and key is not None:
                    yield AttemptId(key, entry.data.path, entry.data.attempt), entry


def _public(entries: list[Entry]) -> Iterator[Entry]:
    return (entry for entry in entries if isinstance(entry.data, PublicEvent))


def _first_of_each_seq(entries: list[Entry]) -> dict[int, Entry]:
    found: dict[int, Entry] = {}
    for entry in entries:
        found.setdefault(entry.data.seq, entry)
    return dict(sorted(found.items()))


def _requests(lines: tuple[ProviderLine, ...]) -> dict[str, list[ProviderLine]]:
    return grouped((line.call_id or "", line) for line in lines if line.outcome == STARTED)
