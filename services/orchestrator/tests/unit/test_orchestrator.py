"""The real reducer on the real chassis: a collaboration from its request to its end."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager

import msgspec
import pytest
from msgspec import structs
from pydantic import ValidationError

from facilitair_events import topics
from facilitair_events.envelope import Envelope, header, timestamp
from facilitair_events.ids import derive
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import AttemptReported, Fault
from facilitair_events.text import inline
from facilitair_events.types import NAMES, kind_of
from facilitair_events.work import RunAttempt
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.messages import message, read
from facilitair_messaging.ports import TopicPartition
from facilitair_orchestrator.app import build_app
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_runtime.artifacts import DirectoryArtifacts
from facilitair_runtime.errors import LogicTooNewError
from facilitair_runtime.settings import HealthGroup, ReducerGroup
from facilitair_testing.eventually import eventually
from facilitair_testing.inbox import call_reported, cancel, definition, describe, requested, step
from facilitair_workflows.decide import KNOWN_LOGIC

KEY = "local:c1"
CHAIN = definition(step("a"), step("b", "a"), output="b")


@pytest.fixture
def settings(tmp_path):
    return OrchestratorSettings(home=tmp_path, reducer=ReducerGroup(snapshot_interval_ms=1))


@pytest.fixture
async def log(tmp_path):
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(tmp_path / "log.db", registry.topics) as log:
        await log.admin().ensure_topics(registry.topics.values())
        yield log


@asynccontextmanager
async def _running(settings, log):
    stop = asyncio.Event()
    async with build_app(settings, log) as app:
        task = asyncio.ensure_future(app.run(stop))
        await eventually(lambda: app.ready() or task.done(), what="the orchestrator to be ready")
        try:
            yield app
            if task.done():
                task.result()
        finally:
            stop.set()
            await asyncio.wait({task})


async def _append(log, data, *, name: str = "") -> None:
    type_name = NAMES[type(data)]
    envelope = Envelope(
        id=derive("test", type_name, name),
        type=type_name,
        source="test",
        time=timestamp(0),
        subject="c1",
        tenant="local",
        project="default",
        actor="me",
        correlation="r1",
    )
    one = message(topic=topics.COLLABORATION_INBOX, key=KEY, data=data, envelope=envelope)
    async with log.producer() as producer:
        await producer.send([one])


async def _records(log, topic):
    admin = log.admin()
    tps = [TopicPartition(topic, n) for n in range(await admin.partitions(topic))]
    begin, end = await admin.beginning_offsets(tps), await admin.end_offsets(tps)
    found = []
    async with log.reader() as reader:
        reader.assign(begin)
        while any(reader.positions()[tp] < end[tp] for tp in tps):
            found += await reader.poll(max_records=500, wait_s=1)
    return found


async def _kinds(log) -> list[str]:
    events = await _records(log, topics.COLLABORATION_EVENTS)
    return [kind_of(header(event.headers, "ce_type").decode()) for event in events]


async def _until(log, kind: str):
    async def found():
        return kind in await _kinds(log)

    await eventually(found, what=kind)


async def _task(log, path: str) -> RunAttempt:
    async def found():
        tasks = [read(record).data for record in await _records(log, topics.AGENT_TASKS)]
        return next((task for task in tasks if task.path == path), None)

    return await eventually(found, what=f"a task for {path}")


async def _answer(log, path: str) -> None:
    task = await _task(log, path)
    text = inline(f"text of {path}")
    await _append(log, call_reported(task, output=text), name=path)
    report = AttemptReported(path=path, attempt=task.attempt, outcome="completed", output=text)
    await _append(log, report, name=path)


async def test_a_collaboration_runs_from_request_to_result(settings, log):
    async with _running(settings, log) as app:
        assert app.live()
        await _append(log, requested(CHAIN))
        await _answer(log, "a")
        await _answer(log, "b")
        await _until(log, "collaboration.completed")
    assert await _kinds(log) == [
        "collaboration.accepted", "step.scheduled", "attempt.completed", "step.completed",
        "step.scheduled", "attempt.completed", "step.completed", "collaboration.completed",
    ]  # fmt: skip
    stream = await _records(log, topics.COLLABORATION_STREAM)
    events = await _records(log, topics.COLLABORATION_EVENTS)
    assert [(e.value, e.headers) for e in events] == [(s.value, s.headers) for s in stream]
    (reply,) = await _records(log, topics.QUERY_REPLIES)
    assert read(reply).data.outcome == "accepted"
    assert b"messaging_client_consumed_messages_total" in app.metrics.render()


async def test_a_restart_between_any_two_records_changes_nothing(settings, log):
    """Every step is handled by an orchestrator of its own, which loads what the last one left."""

    async def on_its_own(work):
        async with _running(settings, log):
            await work

    await on_its_own(_append(log, requested(CHAIN)))
    for path in ("a", "b"):
        async with _running(settings, log):
            await _task(log, path)
        await on_its_own(_answer(log, path))
    async with _running(settings, log):
        await _until(log, "collaboration.completed")
    seqs = [
        int(header(event.headers, "seq"))
        for event in await _records(log, topics.COLLABORATION_EVENTS)
    ]
    assert sorted(set(seqs)) == list(range(1, 9))


async def test_a_describe_is_answered_before_and_after_the_end(settings, log):
    async with _running(settings, log):
        await _append(log, describe(), name="1")
        await _append(log, requested(CHAIN))
        stopped = Fault(code="stopped", message="stopped")
        task = await _task(log, "a")
        await _append(log, cancel())
        await _append(
            log,
            AttemptReported(path="a", attempt=task.attempt, outcome="failed", fault=stopped),
        )
        await _until(log, "collaboration.cancelled")
        await _append(log, describe(), name="2")

        async def answered():
            replies = [read(r).data for r in await _records(log, topics.QUERY_REPLIES)]
            return [r.outcome for r in replies if isinstance(r, RequestAnswered)][-1:] == [
                "described"
            ]

        await eventually(answered)
    outcomes = [read(r).data.outcome for r in await _records(log, topics.QUERY_REPLIES)]
    assert outcomes[0] == "unknown"
    assert outcomes[-1] == "described"


async def test_r10_a_large_definition_is_read_from_its_artifact(settings, log, tmp_path):
    store = DirectoryArtifacts(tmp_path / "artifacts")
    artifact = await store.put(
        tenant="local", collaboration="c1", content=msgspec.json.encode(CHAIN)
    )
    async with _running(settings, log):
        await _append(log, requested(None, definition_artifact=artifact))
        assert (await _task(log, "a")).agent.name == "a"


@pytest.mark.parametrize("fault", ["missing", "no definition"])
async def test_a_definition_that_cannot_be_had_ends_the_collaboration(
    settings, log, tmp_path, fault
):
    store = DirectoryArtifacts(tmp_path / "artifacts")
    artifact = await store.put(tenant="local", collaboration="c1", content=b'{"workflow": 3}')
    if fault == "missing":
        artifact = structs.replace(artifact, uri=artifact.uri.replace("/c1/", "/c2/"))
    async with _running(settings, log):
        await _append(log, requested(None, definition_artifact=artifact))
        await _until(log, "collaboration.failed")
    assert len(await _records(log, topics.COLLABORATION_INBOX + "-dlq")) == 1


async def test_r09_a_request_of_a_newer_logic_stops_the_orchestrator(settings, log):
    await _append(log, requested(CHAIN, logic=KNOWN_LOGIC + 1))
    async with build_app(settings, log) as app:
        with pytest.raises(LogicTooNewError):
            await asyncio.wait_for(app.run(asyncio.Event()), 60)
    assert await _kinds(log) == []


async def test_collaborations_do_not_see_each_other(settings, log):
    """Keys of every partition, interleaved."""
    async with _running(settings, log):
        for number in range(24):
            data = requested(CHAIN, collaboration=f"c{number}")
            envelope = Envelope(
                id=f"r{number}", type=NAMES[type(data)], source="test", time=timestamp(0),
                subject=f"c{number}", tenant="local", project="default", actor="me",
                correlation=f"r{number}",
            )  # fmt: skip
            one = message(
                topic=topics.COLLABORATION_INBOX, key=f"local:c{number}", data=data,
                envelope=envelope,
            )  # fmt: skip
            async with log.producer() as producer:
                await producer.send([one])

        async def all_scheduled():
            return len(await _records(log, topics.AGENT_TASKS)) == 24

        await eventually(all_scheduled)
    seqs = defaultdict(list)
    for event in await _records(log, topics.COLLABORATION_EVENTS):
        seqs[event.key].append(int(header(event.headers, "seq")))
    assert set(map(tuple, seqs.values())) == {(1, 2)}
    assert len(seqs) == 24


def test_a_reducer_that_polls_too_rarely_to_be_live_is_refused(tmp_path):
    health = HealthGroup(silent_s=3)
    with pytest.raises(ValidationError, match=r"heartbeat_s must be below health.silent_s"):
        OrchestratorSettings(home=tmp_path, health=health, reducer=ReducerGroup(heartbeat_s=3))
    OrchestratorSettings(home=tmp_path, health=health, reducer=ReducerGroup(heartbeat_s=2.9))
