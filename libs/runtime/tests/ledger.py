"""A small reducer for tests: accounts that sum up what is put into them. Every rule can be hit.

``Put`` 13 raises, ``Put`` 77 exhausts memory; every third amount gives more events than others,
odd ones give a command; ``Wait`` arms a timer.
"""

from datetime import datetime

from msgspec import Struct, structs

from facilitair_events import types
from facilitair_events.decision import Command, Decision, Received, Reply
from facilitair_events.envelope import Envelope, instant, timestamp
from facilitair_events.ids import derive
from facilitair_events.registry import Registry, TopicSpec, dead_letter_topic
from facilitair_events.requests import Parked, ReplyTo, TimerFired
from facilitair_events.state import Timer
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Message
from facilitair_runtime.keyed_reducer import Reducer

INBOX, EVENTS, STREAM, STATE, TASKS, REPLIES = (
    f"ledger-{name}" for name in ("inbox", "events", "stream", "state", "tasks", "replies")
)
POISON, EXHAUSTING = 13, 77


class Put(Struct, frozen=True, kw_only=True):
    amount: int
    logic: int = 1


class Ask(Struct, frozen=True, kw_only=True):
    reply_to: ReplyTo


class Wait(Struct, frozen=True, kw_only=True):
    name: str
    delay_ms: int


class Grow(Struct, frozen=True, kw_only=True):
    state_bytes: int = 0
    event_bytes: int = 0


class Close(Struct, frozen=True, kw_only=True):
    pass


class Counted(Struct, frozen=True, kw_only=True):
    seq: int
    at: datetime
    total: int
    note: str = ""


class Rang(Struct, frozen=True, kw_only=True):
    seq: int
    at: datetime
    name: str


class Closed(Struct, frozen=True, kw_only=True):
    seq: int
    at: datetime
    total: int
    reason: str | None = None


class Notify(Struct, frozen=True, kw_only=True):
    total: int
    after_seq: int


class Told(Struct, frozen=True, kw_only=True):
    total: int
    seq: int


class LedgerState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    seq: int = 0
    now_ms: int = 0
    total: int = 0
    closed: bool = False
    logic: int = 1
    blob: str = ""
    seen: tuple[str, ...] = ()
    timers: tuple[Timer, ...] = ()


class LedgerSnapshot(Struct, frozen=True, kw_only=True):
    applied: int
    state: LedgerState
    offsets: tuple[int, ...] = ()


_TYPES = (Put, Ask, Wait, Grow, Close, Counted, Rang, Closed, Notify, Told, LedgerSnapshot)
TYPES = {f"facilitair.ledger.{struct.__name__.lower()}.v1": struct for struct in _TYPES}
"""Known to the codec only where a test says so: the product's table is tested as it is."""


def decide(state: LedgerState | None, received: Received) -> Decision[LedgerState]:
    data = received.data
    if isinstance(data, Ask):
        told = Told(total=state.total if state else 0, seq=state.seq if state else 0)
        return Decision(state=state, replies=(Reply(to=data.reply_to, data=told),))
    if state is not None and (state.closed or received.id in state.seen):
        return Decision(state=state)
    if isinstance(data, Put) and data.amount == POISON:
        raise KeyError(data.amount)
    if isinstance(data, Put) and data.amount == EXHAUSTING:
        raise MemoryError
    if isinstance(data, TimerFired) and state is None:
        return Decision(state=None)
    before = state or LedgerState()
    before = structs.replace(
        before, now_ms=max(before.now_ms, received.at_ms), seen=(*before.seen, received.id)
    )
    return _moved(before, received)


def _moved(state: LedgerState, received: Received) -> Decision[LedgerState]:
    data = received.data
    at = instant(state.now_ms)
    if isinstance(data, Put):
        after = structs.replace(state, total=state.total + data.amount)
        count = 1 + data.amount % 3 // 2
        events = tuple(
            Counted(seq=state.seq + 1 + i, at=at, total=after.total, note=str(i))
            for i in range(count)
        )
        after = structs.replace(after, seq=state.seq + count)
        notify = Notify(total=after.total, after_seq=after.seq)
        command = Command(topic=TASKS, key=f"{received.tenant}:{received.subject}", data=notify)
        return Decision(state=after, events=events, commands=(command,) * (data.amount % 2))
    if isinstance(data, Wait):
        timer = Timer(
            timer_id=derive(received.id, data.name),
            name=data.name,
            due_ms=state.now_ms + data.delay_ms,
        )
        return Decision(state=structs.replace(state, timers=(*state.timers, timer)))
    if isinstance(data, TimerFired):
        return _on_timer(state, data)
    if isinstance(data, Grow):
        event = Counted(seq=state.seq + 1, at=at, total=state.total, note="x" * data.event_bytes)
        after = structs.replace(state, seq=state.seq + 1, blob="x" * data.state_bytes)
        return Decision(state=after, events=(event,))
    reason = data.reason if isinstance(data, Parked) else None
    event = Closed(seq=state.seq + 1, at=at, total=state.total, reason=reason)
    after = structs.replace(state, seq=state.seq + 1, closed=True, timers=(), seen=(), blob="")
    return Decision(state=after, events=(event,))


def _on_timer(state: LedgerState, fired: TimerFired) -> Decision[LedgerState]:
    timer = next((t for t in state.timers if t.timer_id == fired.timer_id), None)
    seen = state.seen[:-1]  # one id for all firings of a timer: an early one must not count
    if timer is None or timer.due_ms > state.now_ms:
        return Decision(state=structs.replace(state, seen=seen))
    event = Rang(seq=state.seq + 1, at=instant(state.now_ms), name=timer.name)
    timers = tuple(t for t in state.timers if t is not timer)
    after = structs.replace(state, seq=state.seq + 1, timers=timers, seen=seen)
    return Decision(state=after, events=(event,))


def reducer(**changes) -> Reducer[LedgerState]:
    """The reducer of the ledger; ``changes`` replace fields."""
    fields = {
        "service": "ledger",
        "inbox": INBOX,
        "state_topic": STATE,
        "events_topic": EVENTS,
        "stream_topic": STREAM,
        "decide": decide,
        "snapshot_type": LedgerSnapshot,
        "timers": lambda state: state.timers,
        "known_logic": 1,
        "logic_of": lambda seen: seen.data.logic if isinstance(seen.data, Put) else None,
        "logic_of_state": lambda state: state.logic,
    }
    return Reducer(**(fields | changes))


def registry(partitions: int = 1) -> Registry:
    """The topics of the ledger."""
    specs = [_topic(name, partitions=partitions) for name in (INBOX, EVENTS, STREAM, TASKS)]
    specs.append(_topic(STATE, partitions=partitions, cleanup=("compact",)))
    specs.append(_topic(REPLIES, partitions=1))
    specs.append(dead_letter_topic(specs[0]))
    return Registry({spec.name: spec for spec in specs})


def _topic(name: str, *, partitions: int, cleanup: tuple[str, ...] = ()) -> TopicSpec:
    return TopicSpec(
        name=name,
        description=name,
        key="tenant:ledger",
        partition_by="key",
        partitions=partitions,
        cleanup=cleanup,
        retention_ms=None,
        segment_ms=None,
        min_compaction_lag_ms=7 * 24 * 3600 * 1000 if cleanup else None,
        max_record_bytes=64 * 1024,
        types=(),
        producers=(),
        consumers=("ledger",),
        dead_letters=name == INBOX,
    )


def record(data: Struct, *, key: str = "t:a", id: str = "r0", tenant: str | None = None) -> Message:  # noqa: A002
    """A record for the inbox; ``tenant`` forges the header."""
    own, subject = key.split(":")
    envelope = Envelope(
        id=id,
        type=types.NAMES[type(data)],
        source="test",
        time=timestamp(1_000),
        subject=subject,
        tenant=tenant or own,
        project="p",
        actor="someone",
        correlation=f"corr-{key}",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return message(topic=INBOX, key=key, data=data, envelope=envelope)


def puts(*amounts: int, key: str = "t:a", start: int = 0) -> list[Message]:
    """Records that put these amounts."""
    return [
        record(Put(amount=amount), key=key, id=f"{key}-{start + index}")
        for index, amount in enumerate(amounts)
    ]
