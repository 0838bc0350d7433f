"""Claims on a real log: one winner per call, whoever tries and whatever the log says."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from prometheus_client import CollectorRegistry

from facilitair_agent_worker.claims import Claims
from facilitair_agent_worker.ledger import AttemptKey, Ledger
from facilitair_agent_worker.log_time import LogTime
from facilitair_events.envelope import Envelope
from facilitair_events.topics import LLM_CALLS
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.following import Follower, readable
from facilitair_messaging.ports import Ack, Log, Message, Producer
from facilitair_observability.metrics import Metrics

KEY = AttemptKey("local:c1:a", 1)
CAUSE = Envelope(
    id="t", type="x", source="test", time="2026-01-01T00:00:00.000Z", subject="c1", tenant="local",
    project="p", actor="a", correlation="r",
)  # fmt: skip


LATE = "late"
"""The send fails, and its records land behind those of the next one."""


class Doubtful:
    """A producer whose first sends are ambiguous: written or not, the caller is not told."""

    def __init__(self, producer: Producer, *, written: list[bool | str]) -> None:
        self._producer = producer
        self._written = written
        self._late: list[Message] = []

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        if not self._written:
            acks = await self._producer.send(messages)
            late, self._late = self._late, []
            await self._producer.send(late)
            return acks
        written = self._written.pop(0)
        if written == LATE:
            self._late += messages
        elif written:
            await self._producer.send(messages)
        raise ProduceUnknownError(topics=(LLM_CALLS,), reason="scripted")


@asynccontextmanager
async def claimant(
    log: Log,
    name: str,
    *,
    written: list[bool | str] | None = None,
    clock_s: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Claims]:
    count = itertools.count()
    async with log.producer() as producer:
        claims = Claims(
            producer=Doubtful(producer, written=written or []),
            ledger=Ledger(kept_ms=1_000, time=LogTime(longest_gap_ms=1_000)),
            incarnation=name,
            clock_s=clock_s,
            wall_ms=lambda: 0,
            new_nonce=lambda: f"{name}-{next(count)}",
            retry_s=0.0,
        )
        metrics = Metrics(CollectorRegistry())
        follower = Follower(log=log, topic=LLM_CALLS, apply=readable(claims.apply, metrics=metrics))
        task = asyncio.create_task(follower.run())
        await follower.wait_ready()
        try:
            yield claims
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_r19_of_many_claimants_exactly_one_wins(log: Log) -> None:
    async with claimant(log, "w1") as one, claimant(log, "w2") as two:
        won = await asyncio.gather(
            *(claims.claim(KEY, index=0, cause=CAUSE) for claims in (one, two, one, two))
        )
    assert sum(claim is not None for claim in won) == 1


async def test_r19_after_an_ambiguous_send_a_new_nonce_is_tried_and_any_of_ours_wins(
    log: Log,
) -> None:
    async with claimant(log, "w1", written=[True, False]) as claims:
        claim = await claims.claim(KEY, index=0, cause=CAUSE)
    assert claim is not None
    assert claim.nonce == "w1-0"


async def test_r19_a_claim_that_was_not_written_does_not_win(log: Log) -> None:
    async with claimant(log, "w1", written=[False]) as claims:
        claim = await claims.claim(KEY, index=0, cause=CAUSE)
    assert claim is not None
    assert claim.nonce == "w1-1"


async def test_r04_a_claim_that_lands_late_behind_a_later_one_of_ours_takes_nothing_away(
    log: Log,
) -> None:
    async with claimant(log, "w1", written=[LATE]) as claims:
        claim = await claims.claim(KEY, index=0, cause=CAUSE)
        assert claim is not None
        assert claim.nonce == "w1-1"
        await claims.done(claim, outcome="completed", last=False)
        # The claim that failed here is in the log by now, behind the winner.
        assert (await claims.claim(KEY, index=1, cause=CAUSE)) is not None


async def test_r04_a_claim_that_lands_late_behind_a_foreign_one_loses(log: Log) -> None:
    async with claimant(log, "w1", written=[False]) as one, claimant(log, "w2") as two:
        assert await two.claim(KEY, index=0, cause=CAUSE) is not None
        assert await one.claim(KEY, index=0, cause=CAUSE) is None


async def test_r19_the_age_of_a_claim_counts_from_the_first_sending_of_the_nonce_that_won(
    log: Log,
) -> None:
    ages = itertools.count(100.0)
    async with claimant(log, "w1", written=[True], clock_s=lambda: next(ages)) as claims:
        claim = await claims.claim(KEY, index=0, cause=CAUSE)
    assert claim is not None
    assert (claim.nonce, claim.sent_s) == ("w1-0", 100.0)


async def test_r20_a_fence_that_comes_second_does_not_speak_for_the_claimant(log: Log) -> None:
    async with claimant(log, "w1") as alive, claimant(log, "w2") as heir:
        assert await alive.claim(KEY, index=1, cause=CAUSE) is not None
        assert await heir.claim(KEY, index=1, cause=CAUSE, fence=True) is None
