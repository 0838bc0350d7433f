"""Poison while a collaboration waits: for its model, for a stop, and for an owner that starts."""

import uuid

import pytest
from msgspec import structs

from facilitair_events import topics
from facilitair_events.books import CallSettled
from facilitair_events.envelope import header
from facilitair_events.ids import collaboration_id
from facilitair_events.requests import CollaborationRequested
from facilitair_events.types import NAMES
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Message
from facilitair_observability import names
from facilitair_testing.eventually import eventually
from facilitair_testing.inbox import definition, requested, step
from tests.poison.kinds import KINDS, envelope_of
from tests.poison.world import PATIENCE_S

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.integration]

SETTLED = NAMES[CallSettled]
READABLE_JSON = [kind for kind in KINDS if kind != "raw-newline"]


def in_topic(topic):
    return lambda message: message.topic == topic


async def begin(world, *, spoil=None, kind=None):
    """A collaboration whose model is asked and does not answer yet; the model, and its id."""
    model = world.answer_with("a", "b")
    model.hold_at = 0
    key = str(uuid.uuid4())
    ident = collaboration_id("local", key)
    if spoil is not None:
        world.spoil(ident, wanted=in_topic(spoil), change=KINDS[kind])
    await world.submit(key)
    await eventually(lambda: model.calls, timeout_s=PATIENCE_S, what="the call")
    return model, ident


@pytest.mark.parametrize("kind", READABLE_JSON)
async def test_r08_an_owner_decides_again_what_an_unreadable_snapshot_covered(world, kind):
    model, ident = await begin(world, spoil=topics.COLLABORATION_STATE, kind=kind)
    await eventually(lambda: ident in world.spoiled, timeout_s=PATIENCE_S, what="a snapshot")
    await world.restart("orchestrator")
    model.gate.set()
    assert (await world.end(ident))[0] == "collaboration.completed"
    assert len(model.calls) == 1
    assert (await world.watch(ident))[-1][1] == "collaboration.completed"


@pytest.mark.parametrize("kind", READABLE_JSON)
async def test_r08_an_account_counts_again_what_an_unreadable_snapshot_covered(world, kind):
    """Its state is that of every tenant's collaborations: none of them may notice."""
    before = await _spent(world)
    world.spoil("local", wanted=in_topic(topics.ACCOUNT_STATE), change=KINDS[kind])
    first = (await world.submit())["id"]
    assert (await world.end(first))[0] == "collaboration.completed"
    await eventually(lambda: "local" in world.spoiled, timeout_s=PATIENCE_S, what="a snapshot")
    del world.spoiled["local"]
    await world.restart("accounts")
    second = (await world.submit())["id"]
    assert (await world.end(second))[0] == "collaboration.completed"

    async def both():
        return await _spent(world) == before + 2

    await eventually(both, timeout_s=PATIENCE_S, what="two calls in the books")


async def _spent(world) -> int:
    """How many calls the books of the tenant have, each once."""
    settled = [r for r in await world.records(topics.ACCOUNT_EVENTS) if _type(r) == SETTLED]
    return len({(r.key, r.value) for r in settled})


def _type(record) -> str:
    return (header(record.headers, "ce_type") or b"").decode()


@pytest.mark.parametrize("kind", READABLE_JSON)
async def test_r14_a_stop_that_no_worker_can_read_does_not_keep_a_collaboration(world, kind):
    model, ident = await begin(world)
    before = world.counted("agent-worker", names.VIEW_POISON.name, topic=topics.WORKER_CONTROL)
    world.spoil(ident, wanted=in_topic(topics.WORKER_CONTROL), change=KINDS[kind])
    answer = await world.http.post(f"/v1/collaborations/{ident}/control", json={"action": "cancel"})
    assert answer.status_code == 202, answer.text

    def counted():
        now = world.counted("agent-worker", names.VIEW_POISON.name, topic=topics.WORKER_CONTROL)
        return now == before + 1

    await eventually(counted, timeout_s=PATIENCE_S, what="the skipped stop")
    model.gate.set()
    assert (await world.end(ident))[0] == "collaboration.cancelled"
    world.check_alive()


@pytest.mark.parametrize("kind", READABLE_JSON)
async def test_a_batch_task_that_cannot_be_read_fails_its_collaboration(world, kind):
    ident = str(uuid.uuid4())
    world.spoil(ident, wanted=in_topic(topics.AGENT_TASKS_BATCH), change=KINDS[kind])
    wanted = definition(step("a"), output="a")
    await world.append(_request(wanted, collaboration=ident, priority="batch"))
    kind_of_end, value = await world.end(ident)
    assert (kind_of_end, value["fault"]["code"]) == ("collaboration.failed", "task_unreadable")


async def test_a_task_without_a_readable_attempt_is_ended_by_the_timeout_of_its_step(world):
    """Neither header nor value say which attempt it was; nobody must wait for it for ever."""
    ident = str(uuid.uuid4())

    def spoil(sent: Message) -> Message:
        return structs.replace(sent, headers=(), value=b"not json")

    world.spoil(ident, wanted=in_topic(topics.AGENT_TASKS), change=spoil)
    wanted = definition(step("a", timeout_s=0.2), output="a")
    await world.append(_request(wanted, collaboration=ident))

    async def overdue():
        sent = await world.records(topics.WORKER_CONTROL)
        return [record for record in sent if record.key == f"local:{ident}".encode()]

    await eventually(overdue, timeout_s=PATIENCE_S, what="the stop of the attempt")


def _request(wanted, **more) -> Message:
    data = requested(wanted, **more)
    assert isinstance(data, CollaborationRequested)
    key = f"local:{data.collaboration}"
    return message(
        topic=topics.COLLABORATION_INBOX,
        key=key,
        data=data,
        envelope=envelope_of(data, subject=data.collaboration),
    )
