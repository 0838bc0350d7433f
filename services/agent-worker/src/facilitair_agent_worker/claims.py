"""Writing the ledger: claims that are read back, and what follows from one (R19, R20)."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import count
from typing import Final

import structlog
from msgspec import Struct

from facilitair_agent_worker.ledger import AttemptKey, Ledger, OpenCall
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.errors import KeyFormatError
from facilitair_events.ids import call_id, derive
from facilitair_events.keys import LedgerKind, call_key, split_call_key, split_task_key, task_key
from facilitair_events.requests import CallOutcome
from facilitair_events.topics import LLM_CALLS
from facilitair_events.work import CallClaimed, CallDone, CallRenewed, CallVoided, LedgerTicked
from facilitair_messaging.crash_points import crash_point
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.messages import Incoming, caused_by, check_owner, message
from facilitair_messaging.ports import Message, Producer, Record

RETRY_S: Final = 0.2
"""The pause after a send whose fate is unknown."""

_CLAIMS_BURNED: Final = 5
"""Claims of one attempt that may come back unreadable before its step's timeout has to end it."""


class Claim(Struct, frozen=True, kw_only=True):
    """A claim that won. ``sent_s`` is when its nonce was first sent, on the suspend-aware clock."""

    key: AttemptKey
    call_id: str
    nonce: str
    index: int
    sent_s: float
    cause: Envelope


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
        retry_s: float = RETRY_S,
    ) -> None:
        self._producer = producer
        self._ledger = ledger
        self._incarnation = incarnation
        self._clock_s = clock_s
        self._wall_ms = wall_ms
        self._new_nonce = new_nonce
        self._retry_s = retry_s
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._turns = count()

    def apply(self, incoming: Incoming) -> None:
        """Fold a record of ``llm-calls`` and wake the claim that it decides.

        Raises KeyFormatError for a key that is none of the ledger's, UnreadableRecordError for
        headers of another owner.
        """
        record = incoming.record
        parts = split_call_key(record.key or b"")
        check_owner(incoming, tenant=parts.tenant, subject=parts.collaboration)
        self._ledger.apply(
            task_key(parts.tenant, parts.collaboration, parts.path),
            incoming.data,
            envelope=incoming.envelope,
            partition=record.partition,
            at_ms=record.timestamp_ms,
        )
        if isinstance(incoming.data, CallClaimed):
            self._wake(incoming.data.nonce)

    def spoil(self, record: Record) -> None:
        """Take in a record of ``llm-calls`` that cannot be read.

        A claim's key says which call it is for, and so does who waits for it. Without that much
        nothing follows: a claimant that waits for such a claim is stopped by its step's timeout.
        """
        try:
            parts = split_call_key(record.key or b"")
        except KeyFormatError:
            return
        if parts.kind == "claim":
            task = task_key(parts.tenant, parts.collaboration, parts.path)
            self._ledger.spoil(
                task, call_id=parts.call_id, nonce=parts.nonce, at_ms=record.timestamp_ms
            )
            self._wake(parts.nonce)

    def _wake(self, nonce: str) -> None:
        waiter = self._waiting.get(nonce)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def claim(
        self, key: AttemptKey, *, index: int, cause: Envelope, fence: bool = False
    ) -> Claim | None:
        """Claim a call from ``index`` on; None when somebody else's claim is first in the log.

        A call whose first claim is ours and cannot be read is nobody's: the next one is claimed.
        """
        for burned in range(_CLAIMS_BURNED):
            claim, again = await self._claim(key, index=index + burned, cause=cause, fence=fence)
            if not again:
                return claim
        return None

    async def _claim(
        self, key: AttemptKey, *, index: int, cause: Envelope, fence: bool
    ) -> tuple[Claim | None, bool]:
        """The claim that won, and whether ours is first but cannot be read.

        A nonce is sent once. After an ambiguous send a new one is tried, and any of ours may win:
        the log may take a claim that failed here at any later time, also behind the new one (R4).
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
            try:
                await self._append_and_read_back(key, entry, cause=cause)
                break
            except ProduceUnknownError as error:
                structlog.get_logger().warning("claim tried again", reason=str(error))
                await asyncio.sleep(self._retry_s)
        for own, sent_s in sent.items():
            if self._ledger.won(key, call_id=ident, nonce=own):
                claim = Claim(
                    key=key, call_id=ident, nonce=own, index=index, sent_s=sent_s, cause=cause
                )
                return claim, False
        return None, self._ledger.spoiled(call_id=ident, nonces=sent)

    async def _append_and_read_back(
        self, key: AttemptKey, entry: CallClaimed, *, cause: Envelope
    ) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[entry.nonce] = waiter
        try:
            await self._producer.send([self._message(key, entry, kind="claim", cause=cause)])
            crash_point("after_claim")
            await waiter
            crash_point("after_claim_read")
        finally:
            del self._waiting[entry.nonce]

    async def renew(self, claims: Iterable[Claim]) -> None:
        """Show that these attempts are worked on. Raises ProduceUnknownError."""
        await self._producer.send(
            [
                self._message(
                    claim.key,
                    CallRenewed(
                        call_id=claim.call_id,
                        nonce=claim.nonce,
                        path=split_task_key(claim.key.task)[2],
                        attempt=claim.key.attempt,
                    ),
                    kind="renewal",
                    cause=claim.cause,
                )
                for claim in claims
            ]
        )

    async def tick(self, calls: Iterable[tuple[AttemptKey, OpenCall]]) -> None:
        """Move the log's time in the partitions of these attempts. Raises ProduceUnknownError."""
        entry = LedgerTicked(incarnation=self._incarnation)
        await self._producer.send(
            [
                message(
                    topic=LLM_CALLS,
                    key=call_key(key.task, call.call_id, "tick", self._incarnation),
                    data=entry,
                    envelope=self._envelope(
                        entry, cause=call.envelope, name=(call.call_id, "tick", self._turn())
                    ),
                )
                for key, call in calls
            ]
        )

    async def void(self, claim: Claim) -> None:
        """Say that the claimed call is never made."""
        entry = CallVoided(
            call_id=claim.call_id,
            nonce=claim.nonce,
            path=split_task_key(claim.key.task)[2],
            attempt=claim.key.attempt,
        )
        await self._append_surely(claim, entry, kind="void")

    async def done(self, claim: Claim, *, outcome: CallOutcome, last: bool) -> None:
        """Say that the call's outcome is in the inbox; ``last`` closes the attempt."""
        entry = CallDone(
            call_id=claim.call_id,
            nonce=claim.nonce,
            path=split_task_key(claim.key.task)[2],
            attempt=claim.key.attempt,
            outcome=outcome,
            last=last,
        )
        crash_point("before_done")
        await self._append_surely(claim, entry, kind="done")

    async def _append_surely(
        self, claim: Claim, entry: CallVoided | CallDone, *, kind: LedgerKind
    ) -> None:
        """These records say the same when they are written twice."""
        while True:
            try:
                await self._producer.send(
                    [self._message(claim.key, entry, kind=kind, cause=claim.cause)]
                )
            except ProduceUnknownError as error:
                structlog.get_logger().warning(
                    "ledger record sent again", kind=kind, reason=str(error)
                )
                await asyncio.sleep(self._retry_s)
            else:
                return

    def _message(
        self,
        key: AttemptKey,
        entry: CallClaimed | CallRenewed | CallVoided | CallDone,
        *,
        kind: LedgerKind,
        cause: Envelope,
    ) -> Message:
        name = (entry.call_id, kind, entry.nonce)
        # Each renewal is a fact of its own; the other records of a nonce are written once.
        turn = (self._turn(),) if kind == "renewal" else ()
        return message(
            topic=LLM_CALLS,
            key=call_key(key.task, entry.call_id, kind, entry.nonce),
            data=entry,
            envelope=self._envelope(entry, cause=cause, name=(*name, *turn)),
        )

    def _envelope(self, entry: Struct, *, cause: Envelope, name: tuple[str, ...]) -> Envelope:
        return caused_by(
            cause,
            id=derive(*name),
            data=entry,
            source="agent-worker",
            time=timestamp(self._wall_ms()),
            subject=cause.subject,
        )

    def _turn(self) -> str:
        return f"{self._incarnation}/{next(self._turns)}"
