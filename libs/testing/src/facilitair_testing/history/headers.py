"""R31: what stands in the headers, so that the gateway need not decode a value.

A record that cannot be read is a violation unless somebody dead-lettered it: who injects garbage
into a topic that nobody consumes in a group has to leave it out of the history.
"""

from collections.abc import Iterator
from typing import Final

from facilitair_events.books import AccountEvent
from facilitair_events.collaboration import PublicEvent
from facilitair_events.envelope import header
from facilitair_events.registry import DLQ_SUFFIX
from facilitair_events.stream import AttemptReset, AttemptStarted, Token
from facilitair_events.topics import (
    ACCOUNT_EVENTS,
    ACCOUNT_REQUESTS,
    ACCOUNT_STATE,
    CATALOG,
    COLLABORATION_INBOX,
    COLLABORATION_STREAM,
    CREDENTIALS,
    TENANTS,
)
from facilitair_testing.history.entries import Entry, collaboration_of, tenant_and_id, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.letters import letters_by_origin, origin_of
from facilitair_testing.history.types import Violation

_NOT_OF_COLLABORATIONS: Final = frozenset({CATALOG, CREDENTIALS, TENANTS})
"""Their keys have the form of a collaboration's, and name a tenant, a key or a version."""

_OF_ACCOUNTS: Final = frozenset({ACCOUNT_EVENTS, ACCOUNT_REQUESTS, ACCOUNT_STATE})
"""Their keys are tenants."""

_TOKEN: Final = ["ce_type", "step", "attempt", "index"]


def r31_headers_say_what_is_needed(index: Index) -> Iterator[Violation]:
    """Every record has its envelope, events their seq; tokens have four headers and no more."""
    given_up = letters_by_origin(index)
    for topic, entries in index.topics.items():
        if topic.endswith(DLQ_SUFFIX):
            continue
        for entry in entries:
            if origin_of(entry.record) in given_up or _judged_elsewhere(entry):
                continue
            fault = _fault(entry)
            if fault is not None:
                key = collaboration_of(entry.key) or entry.key
                yield violation("R31", entry, key=key, text=fault)


def _judged_elsewhere(entry: Entry) -> bool:
    """Tombstones; and what a reducer cannot read is told by what became of it (I13)."""
    return entry.record.value is None or (
        entry.data is None and entry.record.topic in {ACCOUNT_REQUESTS, COLLABORATION_INBOX}
    )


def _fault(entry: Entry) -> str | None:
    if entry.data is None:
        return f"it cannot be read: {entry.fault}"
    if isinstance(entry.data, Token):
        return _token_fault(entry)
    envelope = entry.envelope
    if envelope is None:
        return "it has no envelope"
    seq = entry.data.seq if isinstance(entry.data, PublicEvent | AccountEvent) else None
    if envelope.seq != seq:
        return f"its header seq is {envelope.seq}, its value says {seq}"
    if entry.record.topic in _OF_ACCOUNTS and envelope.tenant != entry.key:
        return f"its headers name {envelope.tenant}, its key the account of {entry.key}"
    key = collaboration_of(entry.key)
    if key is not None and entry.record.topic not in _NOT_OF_COLLABORATIONS:
        tenant, collaboration = tenant_and_id(key)
        if (envelope.tenant, envelope.subject) != (tenant, collaboration):
            return f"its headers name {envelope.tenant}:{envelope.subject}"
    if entry.record.topic == COLLABORATION_STREAM and b"\n" in (entry.record.value or b""):
        return "its value holds a newline (R32)"
    return _place_fault(entry) if isinstance(entry.data, AttemptStarted | AttemptReset) else None


def _token_fault(entry: Entry) -> str | None:
    names = [name for name, _ in entry.record.headers]
    if names != _TOKEN:
        return f"a token has the headers {', '.join(names)}"
    index = header(entry.record.headers, "index")
    if index != str(entry.data.index).encode():
        return f"its header index is {index!r}, its value says {entry.data.index}"
    return _place_fault(entry)


def _place_fault(entry: Entry) -> str | None:
    said = (entry.data.step.encode(), str(entry.data.attempt).encode())
    told = tuple(header(entry.record.headers, name) for name in ("step", "attempt"))
    return None if told == said else f"its headers name {told}, its value {said}"
