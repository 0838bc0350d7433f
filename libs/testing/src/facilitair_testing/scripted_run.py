"""A whole run in memory: the real reducer, and workers, users and viewers that follow a script.

What it leaves behind is a legal history, byte for byte as the services write it, except that the
offsets of a partition are ten apart (as if a compaction had been there), so that a test can put a
record in between.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.codec import type_name
from facilitair_events.definitions import Definition
from facilitair_events.envelope import Envelope, from_headers, timestamp
from facilitair_events.ids import derive
from facilitair_events.keys import collaboration_key
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.requests import CancelRequested, ReplyTo, TimerFired
from facilitair_events.topics import (
    ACCOUNT_REQUESTS,
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_INBOX,
    COLLABORATION_STREAM,
)
from facilitair_events.work import RunAttempt
from facilitair_messaging.dead_letters import Failure, dead_letter
from facilitair_messaging.errors import UnreadableRecordError
from facilitair_messaging.messages import caused_by, message
from facilitair_messaging.partitioning import partition_of
from facilitair_messaging.ports import Message, Record, TopicPartition
from facilitair_runtime.keyed_reducer import Reducer
from facilitair_runtime.reducing.outputs import Outputs
from facilitair_runtime.reducing.states import snapshot
from facilitair_testing.history.account_replaying import ACCOUNTS
from facilitair_testing.history.replaying import REDUCER, Fold
from facilitair_testing.history.types import ClientLine, History, ProviderLine
from facilitair_testing.inbox import requested

STEP: Final = 10
"""Between two offsets of a partition."""

TENANT: Final = "local"
START_MS: Final = 1_700_000_000_000


_REDUCERS: Final[Mapping[str, Reducer[Any]]] = {
    COLLABORATION_INBOX: REDUCER,
    ACCOUNT_REQUESTS: ACCOUNTS,
}


class Task(Struct, frozen=True):
    """A task that workers have not taken yet."""

    data: RunAttempt
    envelope: Envelope
    key: str
    tp: TopicPartition
    offset: int


class ScriptedRun:
    """One log with its journals, and the orchestrator and the accounts on it.

    ``decide`` handles what is new in their inboxes; nothing else happens by itself. The clock goes
    on by a millisecond with each batch of records that is acked.
    """

    def __init__(self, *, lease_ms: int = 3_000) -> None:
        self.lease_ms = lease_ms
        self.now_ms = START_MS
        self.registry = Registry.load(topics_dir())
        self.limits = {name: spec.max_record_bytes for name, spec in self.registry.topics.items()}
        self.log: dict[TopicPartition, list[Record]] = defaultdict(list)
        self.provider: list[ProviderLine] = []
        self.client: list[ClientLine] = []
        self.committed: dict[TopicPartition, int] = {}
        self.folds: dict[str, Fold] = {}
        self.tasks: list[Task] = []
        self._decided: dict[TopicPartition, int] = {}
        self._last = Outputs()
        self.numbers = count(1)

    def append(self, messages: Sequence[Message], *, after_ms: int = 1) -> list[Record]:
        """Append in one go, ``after_ms`` after what was appended before."""
        self.now_ms += after_ms
        return [self._append(sent) for sent in messages]

    def _append(self, sent: Message) -> Record:
        spec = self.registry.spec(sent.topic)
        tp = TopicPartition(sent.topic, partition_of(sent.key, spec))
        record = Record(
            topic=tp.topic, partition=tp.partition, offset=STEP * len(self.log[tp]),
            timestamp_ms=self.now_ms, key=sent.key, value=sent.value, headers=sent.headers,
        )  # fmt: skip
        self.log[tp].append(record)
        return record

    def records(self, topic: str) -> list[Record]:
        """What a topic holds."""
        return [record for tp, found in self.log.items() if tp.topic == topic for record in found]

    def submit(self, wanted: Definition, *, key: str = "k1", body: str = "b1", **more: Any) -> str:
        """A user asks for a collaboration and is told yes; returns its id."""
        ident = derive("collaboration", TENANT, key)
        number = next(self.numbers)
        ask = ClientLine(
            at_ms=self.now_ms, client=f"user-{number}", op="submit", type="invoke",
            id=f"op-{number}", tenant=TENANT, key=key, body=body,
        )  # fmt: skip
        correlation = f"r{number}"
        data = requested(
            wanted, collaboration=ident, body_digest=body, stream_start=self._stream_end(ident),
            reply_to=ReplyTo(topic="query-replies", correlation=correlation), **more,
        )  # fmt: skip
        self.client.append(ask)
        self._ask(ident, data, correlation=correlation)
        self.decide()
        self.answer_client(ask, status=202, collaboration=ident)
        return ident

    def _stream_end(self, ident: str) -> int:
        spec = self.registry.spec(COLLABORATION_STREAM)
        number = partition_of(collaboration_key(TENANT, ident).encode(), spec)
        return STEP * len(self.log[TopicPartition(COLLABORATION_STREAM, number)])

    def cancel(self, ident: str) -> None:
        """A user asks for the end, and is told yes."""
        number = next(self.numbers)
        ask = ClientLine(
            at_ms=self.now_ms, client=f"user-{number}", op="cancel", type="invoke",
            id=f"op-{number}", tenant=TENANT, collaboration=ident,
        )  # fmt: skip
        data = CancelRequested(
            client_id=f"c{number}", actor="me",
            reply_to=ReplyTo(topic="query-replies", correlation=f"r{number}"),
        )  # fmt: skip
        self.client.append(ask)
        self._ask(ident, data, correlation=f"r{number}")
        self.decide()
        self.answer_client(ask, status=202, collaboration=ident)

    def answer_client(self, ask: ClientLine, *, status: int, collaboration: str) -> None:
        """The line after a yes."""
        self.client.append(
            ClientLine(
                at_ms=self.now_ms, client=ask.client, op=ask.op, type="ok", id=ask.id,
                tenant=ask.tenant, key=ask.key, body=ask.body, status=status,
                collaboration=collaboration,
            )
        )  # fmt: skip

    def _ask(self, ident: str, data: Struct, *, correlation: str) -> None:
        envelope = Envelope(
            id=f"ask-{correlation}", type=type_name(data), source="gateway",
            time=timestamp(self.now_ms), subject=ident, tenant=TENANT, project="default",
            actor="me", correlation=correlation,
        )  # fmt: skip
        key = collaboration_key(TENANT, ident)
        self.append([message(topic=COLLABORATION_INBOX, key=key, data=data, envelope=envelope)])

    def fire(self, ident: str, name: str) -> None:
        """The orchestrator's timer of that name is due."""
        held = self.folds[collaboration_key(TENANT, ident)].standing.held
        if held is None:
            raise LookupError(ident)
        timer = next(timer for timer in held.state.timers if timer.name == name)
        self.now_ms = max(self.now_ms, timer.due_ms)
        data = TimerFired(timer_id=timer.timer_id, name=name)
        envelope = caused_by(
            held.context, id=derive(timer.timer_id), data=data, source="orchestrator",
            time=timestamp(timer.due_ms), subject=ident,
        )  # fmt: skip
        key = collaboration_key(TENANT, ident)
        self.append([message(topic=COLLABORATION_INBOX, key=key, data=data, envelope=envelope)])
        self.decide()

    def spoil(self, ident: str) -> Record:
        """Somebody appends what cannot be read; returns its record."""
        sent = Message(COLLABORATION_INBOX, collaboration_key(TENANT, ident).encode(), b"{", ())
        (record,) = self.append([sent])
        self.decide()
        return record

    def spoil_task(self, task: Task) -> None:
        """A task that was spoiled on its way into the log, and the letter of who could not read it.

        Its headers still say which attempt it was for.
        """
        records = self.log[task.tp]
        number = next(n for n, record in enumerate(records) if record.offset == task.offset)
        headers = (*records[number].headers, ("attempt", str(task.data.attempt).encode()))
        records[number] = replace(records[number], value=b"{", headers=headers)
        letter = _letter(records[number], ValueError("no JSON"), service="agent-worker")
        self.append([letter])

    def repeat(self) -> None:
        """An owner that was stopped wakes up and writes the last outputs again."""
        self.append(self._last.first)
        self.append(self._last.second)
        self.decide()

    def status(self, ident: str) -> str:
        """How a collaboration stands."""
        held = self.folds[collaboration_key(TENANT, ident)].standing.held
        return "" if held is None else held.state.status

    def timers(self, ident: str) -> list[str]:
        """What the orchestrator waits for."""
        held = self.folds[collaboration_key(TENANT, ident)].standing.held
        return [] if held is None else [timer.name for timer in held.state.timers]

    def decide(self) -> None:
        """Handle everything that is new in the inboxes, snapshot and commit."""
        while any(self._decide_next(tp) for tp in list(self.log)):
            pass

    def _decide_next(self, tp: TopicPartition) -> bool:
        reducer = _REDUCERS.get(tp.topic)
        if reducer is None or self._decided.get(tp, 0) >= len(self.log[tp]):
            return False
        record = self.log[tp][self._decided.get(tp, 0)]
        self._decided[tp] = self._decided.get(tp, 0) + 1
        key = (record.key or b"").decode()
        fold = self.folds.setdefault(key, Fold(key, blobs={}, limits=self.limits, reducer=reducer))
        outcome = fold.take(record)
        letters = []
        if outcome.error is not None:
            letters.append(_letter(record, outcome.error, service=reducer.service))
        self._last = outcome.outputs
        self.append([*outcome.outputs.first, *letters])
        for written in self.append(outcome.outputs.second):
            if written.topic in (AGENT_TASKS, AGENT_TASKS_BATCH):
                self._hand_out(written)
        held = fold.standing.held
        if outcome.effect == "applied" and held is not None:
            self.append([snapshot(reducer, held, key=key)])
        if fold.standing.parked is None:
            self.committed[tp] = record.offset + 1
        return True

    def _hand_out(self, record: Record) -> None:
        envelope = from_headers(record.headers)
        data = msgspec.json.decode(record.value or b"", type=RunAttempt)
        self.tasks.append(
            Task(data, envelope, (record.key or b"").decode(), record.tp, record.offset)
        )

    def history(self) -> History:
        """What is left behind."""
        order = sorted(self.log)
        return History(
            records=tuple(record for tp in order for record in self.log[tp]),
            provider=tuple(self.provider),
            client=tuple(self.client),
            committed=dict(self.committed),
            limits=self.limits,
        )


def _letter(record: Record, error: Exception, *, service: str) -> Message:
    told = UnreadableRecordError(
        topic=record.topic, partition=record.partition, offset=record.offset, reason=str(error)
    )
    failure = Failure(error=told, attempts=1, first_failed_at_ms=record.timestamp_ms)
    return dead_letter(record, failure, service=service, group=service)
