"""A task that is delivered again while its attempt starts (R19, R21)."""

import asyncio
from typing import Any

from prometheus_client import CollectorRegistry

from facilitair_agent_worker.admission import Admission, AdmissionRules
from facilitair_agent_worker.attempts import Attempts
from facilitair_agent_worker.breaker import BreakerRules
from facilitair_agent_worker.jobs import Job, Limits, Tools
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_events.envelope import Envelope
from facilitair_observability.metrics import Metrics
from facilitair_testing.desk import task
from facilitair_testing.eventually import eventually

CAUSE = Envelope(
    id="t", type="x", source="s", time="t", subject="c1", tenant="local", project="p", actor="a",
    correlation="r",
)  # fmt: skip
JOB = Job(key=AttemptKey("local:c1:a", 1), task=task(), cause=CAUSE)


class Unclaimed:
    """A ledger without claims, and claims whose read-back the test decides; none ever wins."""

    def __init__(self) -> None:
        self.claims = 0
        self.landed = False
        self.read_back = asyncio.Event()
        self.failure: Exception | None = None

    def claimed(self, task: str, attempt: int) -> bool:
        return self.landed

    def reason(self, key: AttemptKey) -> str | None:
        return None

    async def claim(self, key: AttemptKey, **more: Any) -> None:
        self.claims += 1
        await self.read_back.wait()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.landed = True


def attempts(log: Unclaimed) -> Attempts:
    part: Any = log
    rules = AdmissionRules(breaker=BreakerRules(), wait_s=0.0, waiting=1, limits={})
    metrics = Metrics(CollectorRegistry())
    tools = Tools(
        ledger=part, claims=part, stops=part, tokens=part, reports=part, silence=part, metrics=part,
        artifacts=part, models={"p": part}, clock_s=lambda: 0.0,
        admission=Admission(rules=rules, clock_s=lambda: 0.0, metrics=metrics),
    )  # fmt: skip
    limits = Limits(calls_in_flight=1, max_output_bytes=1024, use_s=10)
    group: Any = None
    return Attempts(tools=tools, limits=limits, group=group)


async def test_r21_the_second_delivery_waits_until_the_claim_is_read_back() -> None:
    log = Unclaimed()
    taken = attempts(log)
    first, second = (asyncio.create_task(taken.take(JOB)) for _ in range(2))
    await eventually(lambda: log.claims, what="the claim")
    await asyncio.sleep(0)
    assert not second.done()
    log.read_back.set()
    await asyncio.gather(first, second)
    assert (log.claims, taken.running) == (1, 0)


async def test_r21_the_second_delivery_starts_the_attempt_when_the_first_could_not() -> None:
    log = Unclaimed()
    log.failure = OSError()
    taken = attempts(log)
    first, second = (asyncio.create_task(taken.take(JOB)) for _ in range(2))
    await eventually(lambda: log.claims, what="the claim")
    log.read_back.set()
    failed, _ = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(failed, OSError)
    assert (log.claims, taken.running) == (2, 0)
