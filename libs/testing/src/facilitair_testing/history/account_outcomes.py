"""R7, R8, I11 and I13 for accounts: what stands in the log is what the requests lead to.

The account's own ``decide`` is run again over ``account-requests``. As for collaborations, a replay
says less plainly what another rule says too, so it is asked last.
"""

from collections.abc import Iterator
from typing import Final

from facilitair_events.accounts import AccountAnswered, FundsAnswered
from facilitair_events.envelope import header
from facilitair_events.topics import (
    ACCOUNT_EVENTS,
    ACCOUNT_REQUESTS,
    COLLABORATION_INBOX,
    QUERY_REPLIES,
)
from facilitair_messaging.ports import Message, Record, TopicPartition
from facilitair_testing.history.account_replaying import ACCOUNTS
from facilitair_testing.history.entries import Entry, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.letters import letters_by_origin, origin_of
from facilitair_testing.history.replaying import Expected
from facilitair_testing.history.types import Violation

_ANSWERS: Final = (FundsAnswered, AccountAnswered)


def i11_account_events_are_those_of_the_requests(index: Index) -> Iterator[Violation]:
    """Each request counted once and in order: the books are those of a replay."""
    for tenant, replay in index.books.replays.items():
        expected = [e for e in replay.first if e.message.topic == ACCOUNT_EVENTS]
        events = list(index.books.first.get(tenant, {}).values())
        for event, wanted in zip(events, expected, strict=False):
            if _bytes(event.record) != _bytes(wanted.message):
                text = f"event {event.data.seq} of the account is not what offset"
                text += f" {wanted.offset} leads to"
                yield violation("I11", event, key=tenant, text=text)
                break
        if len(events) > len(expected) and replay.whole:
            text = "an event of the account follows from nothing that was asked"
            yield violation("I11", events[len(expected)], key=tenant, text=text)
        lost = expected[len(events) :]
        if lost and _must_be_there(index, tenant, expected=lost[0]):
            text = f"what request {lost[0].offset} leads to was never written"
            yield violation("I11", *events[-1:], key=tenant, text=text)
    for tenant in index.books.first.keys() - index.books.replays.keys():
        text = "there is an event of an account and nobody asked for anything"
        events = list(index.books.first[tenant].values())
        yield violation("I11", *events[:1], key=tenant, text=text)


def r07_answers_are_those_of_the_requests(index: Index) -> Iterator[Violation]:
    """Every answer of an account is what its requests lead to; each to a collaboration is there."""
    written: dict[str, list[Entry]] = {}
    for topic in (COLLABORATION_INBOX, QUERY_REPLIES):
        for entry in index.topics.get(topic, ()):
            if isinstance(entry.data, _ANSWERS) and entry.envelope is not None:
                written.setdefault(entry.envelope.tenant, []).append(entry)
    for tenant in index.books.replays.keys() | written.keys():
        replay = index.books.replays.get(tenant)
        if replay is not None and not replay.whole:
            continue
        expected = [*replay.first, *replay.second] if replay else []
        known = {_bytes(e.message) for e in expected}
        for entry in written.get(tenant, ()):
            if _bytes(entry.record) not in known:
                text = f"{entry.kind} does not follow from what was asked"
                yield violation("R7", entry, key=tenant, text=text)
        there = {_bytes(entry.record) for entry in written.get(tenant, ())}
        for lost in expected:
            told = lost.message.topic == COLLABORATION_INBOX and _bytes(lost.message) not in there
            spoilt = told and _given_up(index, lost.message)
            if told and not spoilt and _must_be_there(index, tenant, expected=lost):
                name = (header(lost.message.headers, "ce_type") or b"").decode()
                text = f"{name} of request {lost.offset} was never written"
                yield violation("R7", key=tenant, text=text)


def r08_account_snapshots_are_what_a_replay_gives(index: Index) -> Iterator[Violation]:
    """The state at ``applied`` is that of the requests up to there."""
    for tenant, entries in index.books.state.items():
        replay = index.books.replays.get(tenant)
        for entry in entries:
            applied = entry.data.applied
            wanted = replay.state_message(applied, key=tenant, reducer=ACCOUNTS) if replay else None
            if wanted is None:
                if replay is None or replay.whole:
                    text = f"nothing of this account was applied at offset {applied}"
                    yield violation("R8", entry, key=tenant, text=text)
            elif wanted.value != entry.record.value:
                text = f"the account at offset {applied} is another one"
                yield violation("R8", entry, key=tenant, text=text)


def r08_what_accounts_committed_is_covered(index: Index) -> Iterator[Violation]:
    """Every request that counted below the committed offset is in a snapshot."""
    for tenant, replay in index.books.replays.items():
        snapshots = index.books.state.get(tenant, [])
        covered = max((entry.data.applied for entry in snapshots), default=-1)
        for entry in index.books.requests.get(tenant, ()):
            place = TopicPartition(ACCOUNT_REQUESTS, entry.record.partition)
            committed = index.history.committed.get(place, 0)
            counts = replay.effects.get(entry.offset) == "applied"
            if counts and covered < entry.offset < committed:
                text = f"offset {entry.offset} is committed, the last snapshot is of {covered}"
                yield violation("R8", entry, key=tenant, text=text)
                break


def r08_the_newest_account_is_the_last(index: Index) -> Iterator[Violation]:
    """Whoever loads a partition repairs what a stopped owner wrote late."""
    if not index.terms.repaired:
        return
    for tenant, entries in index.books.state.items():
        newest, last = max(entries, key=lambda entry: int(entry.data.applied)), entries[-1]
        if last.data.applied < newest.data.applied:
            text = f"the last snapshot is of {last.data.applied},"
            text += f" an earlier one of {newest.data.applied}"
            yield violation("R8", newest, last, key=tenant, text=text)


def i13_an_account_goes_on(index: Index) -> Iterator[Violation]:
    """A request that nobody can read is dead-lettered, and the account counts on behind it."""
    if not index.terms.ended:
        return
    given_up = letters_by_origin(index)
    for tenant, replay in index.books.replays.items():
        for entry in replay.rejected:
            if origin_of(entry.record) not in given_up:
                text = "a request that could not be handled was not dead-lettered"
                yield violation("I13", entry, key=tenant, text=text)
        for entry in replay.parked:
            yield violation("I13", entry, key=tenant, text="the account stands still behind it")


def _must_be_there(index: Index, tenant: str, *, expected: Expected) -> bool:
    """What a snapshot covers is written before it (R8); in the end everything is."""
    covered = [entry.data.applied for entry in index.books.state.get(tenant, ())]
    return index.terms.ended or expected.offset <= max(covered, default=-1)


def _given_up(index: Index, lost: Message) -> bool:
    """Whether it was written, spoiled on its way, and dead-lettered."""
    return any(
        entry.data is None and entry.record.key == lost.key
        for entry in index.topics.get(COLLABORATION_INBOX, ())
    )


def _bytes(record: Record | Message) -> tuple[object, ...]:
    return record.topic, record.key, record.value, record.headers
