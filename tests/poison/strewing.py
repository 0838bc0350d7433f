"""Poison about collaborations that nobody began, and what has to follow from it."""

import uuid

import pytest

from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_messaging.dead_letters import dead_letter_id
from facilitair_messaging.errors import RecordRefusedError
from facilitair_messaging.ports import TopicPartition
from facilitair_observability import names
from facilitair_testing.eventually import eventually
from facilitair_testing.promises import promised
from tests.poison.kinds import KINDS, PADDING, example
from tests.poison.reading import how
from tests.poison.world import PATIENCE_S, SERVICES, one_partition_each

TOPICS = one_partition_each()
CELLS = [(topic, kind) for topic in TOPICS for kind in KINDS]
NEVER_SENT = {"not-json", "missing-headers", "wrong-tenant", "raw-newline"}


def is_poison(topic, kind):
    """A line break between tokens of JSON is as good as a space, but on the stream."""
    return kind != "raw-newline" or topic == COLLABORATION_STREAM


async def strew(world, topic, kind):
    """Append poison, then see that whoever reads the topic says so once and goes on."""
    spec = TOPICS[topic]
    message = KINDS[kind](example(spec, subject=str(uuid.uuid4())))
    if kind == "900-kb" and spec.max_record_bytes < PADDING:
        with pytest.raises(RecordRefusedError):
            await world.append(message)
        return
    before = {service: _counted(world, spec, service) for service in spec.consumers}
    offset = await world.append(message)
    collaboration = (await world.submit())["id"]
    assert (await world.end(collaboration))[0] == "collaboration.completed"
    frames = await world.watch(collaboration)
    assert frames[-1][1] == "collaboration.completed"
    with promised("poison is accounted for"):
        for service in spec.consumers:
            await _check(
                world, spec, service, message=message, offset=offset, before=before, kind=kind
            )
        for service in set(SERVICES) - set(spec.consumers):
            await _check_does_not_read(world, spec, service)
    world.check_alive()


async def _check_does_not_read(world, spec, service):
    assert world.counted(service, names.VIEW_POISON.name, topic=spec.name) == 0
    assert TopicPartition(topic=spec.name, partition=0) not in await world.log.admin().committed(
        service
    )


async def _check(world, spec, service, *, message, offset, before, kind):
    reads = how(spec, service)
    if reads == "group":
        await _check_letters(world, spec, service, message=message, offset=offset, kind=kind)
        return
    counts = {"view": is_poison(spec.name, kind), "fan-out": kind in NEVER_SENT}.get(reads, False)

    def counted():
        return _counted(world, spec, service) == before[service] + counts

    await eventually(counted, timeout_s=PATIENCE_S, what=f"what {service} counts")


def _counted(world, spec, service):
    if how(spec, service) == "fan-out":
        return world.counted(service, names.STREAM_SKIPPED.name)
    return world.counted(service, names.VIEW_POISON.name, topic=spec.name)


async def _check_letters(world, spec, service, *, message, offset, kind):
    tp = TopicPartition(spec.name, 0)

    async def committed():
        return (await world.log.admin().committed(service)).get(tp, 0) > offset

    await eventually(committed, timeout_s=PATIENCE_S, what=f"{service} behind the poison")
    letters = [why for why in await world.letters(spec.name, offset) if why["dlq_group"] == service]
    if not is_poison(spec.name, kind):
        assert letters == []
        return
    (why,) = letters
    (poison,) = [r for r in await world.records(spec.name) if r.offset == offset]
    assert why["dlq_id"] == dead_letter_id(poison, group=service)
    assert why["dlq_timestamp"] == str(poison.timestamp_ms)
    assert {why[name] for name in ("dlq_topic", "dlq_partition")} == {spec.name, "0"}
    assert why["dlq_service"] == service
    assert int(why["dlq_attempts"]) >= 1
    assert {"dlq_first_failed_at", "dlq_version"} <= why.keys()
    assert why["dlq_error"].endswith("Error")
    assert 0 < len(why["dlq_reason"]) <= 500
    assert "xxx" not in why["dlq_reason"]
    (letter,) = [
        r
        for r in await world.records(f"{spec.name}-dlq")
        if dict(r.headers).get("dlq_id") == why["dlq_id"].encode()
    ]
    assert (letter.key, letter.value) == (message.key, message.value)
    assert letter.headers[: len(message.headers)] == message.headers
