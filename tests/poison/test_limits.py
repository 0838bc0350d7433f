"""A service that rejects everything stops, says what to do, and drains nothing."""

import asyncio
import sys
from contextlib import asynccontextmanager

import pytest

from facilitair_accounts import app as accounts
from facilitair_accounts.settings import AccountsSettings
from facilitair_agent_worker import app as agent_worker
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_events import topics
from facilitair_events.layout import topics_dir
from facilitair_events.registry import DLQ_SUFFIX, Registry
from facilitair_llm.endpoints import Endpoints
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.errors import RejectionLimitError
from facilitair_messaging.ports import TopicPartition
from facilitair_orchestrator import app as orchestrator
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_runtime.log_file import LogSettings, open_log
from facilitair_runtime.settings import RejectionsGroup
from facilitair_runtime.tasks import first_of
from tests.poison.kinds import KINDS, example
from tests.poison.world import one_partition_each

FEW = RejectionsGroup(max_consecutive=3)
NOBODY = Endpoints(by_provider={}, default_provider="simulator")
POISONED = 12
READS = {
    topics.AGENT_TASKS: lambda home, log: agent_worker.build_app(
        AgentWorkerSettings(home=home, rejections=FEW), log, endpoints=NOBODY
    ),
    topics.COLLABORATION_INBOX: lambda home, log: orchestrator.build_app(
        OrchestratorSettings(home=home, rejections=FEW), log
    ),
    topics.ACCOUNT_REQUESTS: lambda home, log: accounts.build_app(
        AccountsSettings(home=home, rejections=FEW), log
    ),
}


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.integration)])
def open_any_log(request, tmp_path):
    @asynccontextmanager
    async def opened():
        specs = one_partition_each()
        if request.param == "embedded":
            opening = EmbeddedLog.open(tmp_path / "log.db", specs)
        else:
            address = request.getfixturevalue("victim_kafka").address
            opening = KafkaLog.open(address, specs, timing=Timing.for_tests())
        async with opening as log:
            await log.admin().ensure_topics(specs.values())
            yield log

    return opened


async def poison(log, spec):
    """Many records of which none can be read."""
    records = [KINDS["not-json"](example(spec, subject=f"c{n}")) for n in range(POISONED)]
    async with log.producer() as producer:
        await producer.send(records)


@pytest.mark.parametrize("topic", READS)
async def test_e03_a_service_that_rejects_everything_stops(open_any_log, tmp_path, topic):
    async with open_any_log() as log:
        await poison(log, one_partition_each()[topic])
        async with READS[topic](tmp_path, log) as app:
            with pytest.raises((RejectionLimitError, BaseExceptionGroup)) as caught:
                await asyncio.wait_for(app.run(asyncio.Event()), 60)
        text = str(first_of(caught.value))
        letters = TopicPartition(topic + DLQ_SUFFIX, 0)
        assert (await log.admin().end_offsets([letters]))[letters] <= FEW.max_consecutive
        committed = await log.admin().committed(app_group(topic))
        assert committed.get(TopicPartition(topic, 0), 0) <= FEW.max_consecutive
    assert "4 records in a row were rejected" in text
    assert "UnreadableRecordError" in text
    for hint in ("facilitair dlq ls", "start again", "REJECTIONS__MAX_CONSECUTIVE"):
        assert hint in text


def app_group(topic):
    return {
        topics.AGENT_TASKS: agent_worker.SERVICE,
        topics.COLLABORATION_INBOX: orchestrator.SERVICE,
        topics.ACCOUNT_REQUESTS: accounts.SERVICE,
    }[topic]


@pytest.mark.integration
async def test_e03_the_process_ends_loudly(tmp_path):
    """With its exit code and the last line of its log; the limit comes from the environment."""
    registry = Registry.load(topics_dir())
    async with open_log(tmp_path, registry, settings=LogSettings()) as log:
        await poison_one_key(log, registry.spec(topics.COLLABORATION_INBOX))
    environment = {
        "PATH": "/usr/bin:/bin",
        "FACILITAIR_HOME": str(tmp_path),
        "FACILITAIR_ORCHESTRATOR_REJECTIONS__MAX_CONSECUTIVE": "5",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "facilitair_orchestrator",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    text = said.decode()
    assert process.returncode == 1, text
    assert "6 records in a row were rejected" in text
    assert "service failed" in text
    assert "facilitair dlq ls" in text


async def poison_one_key(log, spec):
    records = [KINDS["not-json"](example(spec, subject="c1")) for _ in range(POISONED)]
    async with log.producer() as producer:
        await producer.send(records)


@pytest.mark.parametrize("knob", ["max_consecutive", "max_ratio", "window"])
def test_every_knob_of_the_limit_reaches_it(knob):
    changed = {"max_consecutive": 1, "max_ratio": 0.5, "window": 7}[knob]
    assert getattr(RejectionsGroup(**{knob: changed}).limit(), knob) == changed
    assert getattr(RejectionsGroup().limit(), knob) != changed
