"""R8 and R14: snapshots, what is committed, and the stub that is left after the end.

A snapshot is compared byte for byte with the state that a replay of the inbox has there, so the
inbox has to reach back to its beginning. That the writer waited for the ack of every output is
judged by what is in the log (``outcomes``), not by when it was acked.
"""

from collections.abc import Iterator

from facilitair_events.state import CollaborationState
from facilitair_events.topics import COLLABORATION_INBOX, COLLABORATION_STATE
from facilitair_messaging.ports import TopicPartition
from facilitair_testing.history.entries import Entry, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Violation

_ENDED = frozenset({"refused", "completed", "failed", "cancelled", "expired"})


def r08_snapshots_are_what_a_replay_gives(index: Index) -> Iterator[Violation]:
    """The state at ``applied`` is that of the inbox up to there."""
    for key, entries in index.state.items():
        replay = index.replays.get(key)
        for entry in entries:
            wanted = replay.state_message(entry.data.applied, key=key) if replay else None
            if wanted is None:
                if replay is None or replay.whole:
                    text = f"nothing of this key was applied at inbox offset {entry.data.applied}"
                    yield violation("R8", entry, key=key, text=text)
            elif wanted.value != entry.record.value:
                text = f"the state at inbox offset {entry.data.applied} is another one"
                yield violation("R8", entry, key=key, text=text)


def r08_the_newest_snapshot_is_the_last(index: Index) -> Iterator[Violation]:
    """Whoever loads a partition repairs what a stopped owner wrote late."""
    if not index.terms.repaired:
        return
    for key, entries in index.state.items():
        newest, last = max(entries, key=lambda entry: int(entry.data.applied)), entries[-1]
        if last.data.applied < newest.data.applied:
            text = f"the last snapshot is of {last.data.applied},"
            text += f" an earlier one of {newest.data.applied}"
            yield violation("R8", newest, last, key=key, text=text)


def r08_what_is_committed_is_covered(index: Index) -> Iterator[Violation]:
    """Every applied or parked record below the committed offset is in a snapshot."""
    for key, replay in index.replays.items():
        snapshots = index.state.get(key, [])
        covered = max((entry.data.applied for entry in snapshots), default=-1)
        released = {entry.offset for entry in replay.released}
        for entry in index.inbox.get(key, ()):
            committed = index.history.committed.get(_inbox(entry), 0)
            counts = replay.effects.get(entry.offset) in ("applied", "parked")
            if counts and covered < entry.offset < committed and entry.offset not in released:
                text = f"offset {entry.offset} is committed, the last snapshot is of {covered}"
                yield violation("R8", entry, key=key, text=text)
                break


def r14_a_stub_is_left(index: Index) -> Iterator[Violation]:
    """After the terminal event the state holds no text, no timer and no definition."""
    for key, entries in index.state.items():
        for entry in entries:
            state = entry.data.state
            if state.status in _ENDED and _kept(state):
                text = f"after the end the state keeps {', '.join(_kept(state))}"
                yield violation("R14", entry, key=key, text=text)


def r14_a_state_outlives_its_inbox(index: Index) -> Iterator[Violation]:
    """A state is not dropped while the inbox still holds a record of its key."""
    for entry in index.topics.get(COLLABORATION_STATE, ()):
        if entry.record.value is None and entry.key in index.inbox:
            text = "its state was dropped, and a record of its inbox would begin it anew"
            yield violation("R14", entry, key=entry.key, text=text)


def _inbox(entry: Entry) -> TopicPartition:
    return TopicPartition(COLLABORATION_INBOX, entry.record.partition)


def _kept(state: CollaborationState) -> list[str]:
    kept = {
        "its definition": state.definition is not None,
        "its task": state.task.text is not None,
        "inputs": bool(state.inputs),
        "outputs": bool(state.outputs) or any(s.output for s in state.steps.values()),
        "answers": any(call.output for call in state.calls.values()),
        "timers": bool(state.timers),
    }
    return [name for name, there in kept.items() if there]
