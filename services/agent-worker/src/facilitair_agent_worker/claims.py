"""Claiming calls: append, read back, and only then may the call be made (R19)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from facilitair_agent_worker.ledger import AttemptKey, Ledger
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.ids import call_id, derive
from facilitair_events.keys import LedgerKind, call_key, split_task_key
from facilitair_events.requests import CallOutcome
from facilitair_events.topics import LLM_CALLS
from facilitair_events.work import CallClaimed, CallDone, CallVoided
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.messages import Incoming, caused_by, message
from facilitair_messaging.ports import Producer

LedgerEntry = CallClaimed | CallVoided | CallDone


class Claim(Struct, frozen=True, kw_only=True):
    """A claim that won. ``sent_s`` is when its nonce was first sent, on the suspend-aware clock."""

    key: AttemptKey
    call_id: str
    nonce: str
    index: int
    sent_s: float


class Claims:
    """The writing side of the ledger, and the waiting for one's own claims.

    ``clock_s`` must go on while the machine sleeps (CLOCK_BOOTTIME); ``wall_ms`` is only shown.
    """

    def __init__(
        self,
        *,
        producer: Producer,
        ledger: Ledger,
        incarnation: str,
        clock_s: Callable[[], float],
        wall_ms: Callable[[], int],
        new_nonce: Callable[[], str],
    ) -> None:
        self._producer = producer
        self._ledger = ledger
        self._incarnation = incarnation
        self._clock_s = clock_s
        self._wall_ms = wall_ms
        self._new_nonce = new_nonce
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def apply(self, incoming: Incoming) -> None:
        """Fold a record of ``llm-calls`` and wake the claim that it decides."""
        task = (incoming.record.key or b"").split(b"|", 1)[0].decode()
        self._ledger.apply(task, incoming.data, envelope=incoming.envelope)
        if isinstance(incoming.data, CallClaimed):
            waiter = self._waiting.get(incoming.data.nonce)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    async def claim(
        self, key: AttemptKey, *, index: int, cause: Envelope, fence: bool = False
    ) -> Claim | None:
        """Claim a call; None when somebody else's claim is first in the log.

        A nonce is sent once; after an ambiguous send a new one is tried, and any of ours may win.
        """
        tenant, collaboration, path = split_task_key(key.task)
        ident = call_id(tenant, collaboration, path, key.attempt, index)
        sent: dict[str, float] = {}
        while True:
            nonce = self._new_nonce()
            sent[nonce] = self._clock_s()
            entry = CallClaimed(
                call_id=ident,
                nonce=nonce,
                incarnation=self._incarnation,
                path=path,
                attempt=key.attempt,
                index=index,
                fence=fence,
            )
            with suppress(ProduceUnknownError):
                await self._append_and_read_back(key, entry, cause=cause)
                break
        for own, sent_s in sent.items():
            if self._ledger.won(key, call_id=ident, nonce=own):
                return Claim(key=key, call_id=ident, nonce=own, index=index, sent_s=sent_s)
        return None

    async def _append_and_read_back(
        self, key: AttemptKey, entry: CallClaimed, *, cause: Envelope
    ) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[entry.nonce] = waiter
        try:
            await self._append(key, entry, kind="claim", cause=cause)
            await waiter
        finally:
            del self._waiting[entry.nonce]

    async def void(self, claim: Claim, *, cause: Envelope) -> None:
        """Say that the claimed call is never made."""
        entry = CallVoided(
            call_id=claim.call_id,
            nonce=claim.nonce,
            path=split_task_key(claim.key.task)[2],
            attempt=claim.key.attempt,
        )
        await self._append_surely(claim.key, entry, kind="void", cause=cause)

    async def done(
        self, claim: Claim, *, outcome: CallOutcome, last: bool, cause: Envelope
    ) -> None:
        """Say that the call's outcome is in the inbox; ``last`` closes the attempt."""
        entry = CallDone(
            call_id=claim.call_id,
            nonce=claim.nonce,
            path=split_task_key(claim.key.task)[2],
            attempt=claim.key.attempt,
            outcome=outcome,
            last=last,
        )
        await self._append_surely(claim.key, entry, kind="done", cause=cause)

    async def _append_surely(
        self, key: AttemptKey, entry: LedgerEntry, *, kind: LedgerKind, cause: Envelope
    ) -> None:
        """These records say the same when they are written twice."""
        while True:
            with suppress(ProduceUnknownError):
                await self._append(key, entry, kind=kind, cause=cause)
                return

    async def _append(
        self, key: AttemptKey, entry: LedgerEntry, *, kind: LedgerKind, cause: Envelope
    ) -> None:
        envelope = caused_by(
            cause,
            id=derive(entry.call_id, kind, entry.nonce),
            data=entry,
            source="agent-worker",
            time=timestamp(self._wall_ms()),
            subject=cause.subject,
        )
        record_key = call_key(key.task, entry.call_id, kind, entry.nonce)
        await self._producer.send(
            [message(topic=LLM_CALLS, key=record_key, data=entry, envelope=envelope)]
        )
