"""A follower applies everything once, says how far it is, and steps over what cannot be read."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import msgspec
import pytest

from facilitair_events.errors import KeyFormatError
from facilitair_messaging.following import Follower, readable
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.eventually import eventually

TOPIC = "wide"


@pytest.fixture
def following(log):
    @asynccontextmanager
    async def run(apply, **more):
        follower = Follower(log=log, topic=TOPIC, apply=apply, **more)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(follower.run())
            try:
                yield follower
            finally:
                task.cancel()

    return run


async def end_of_the_only_record(log):
    tps = [TopicPartition(TOPIC, number) for number in range(3)]
    ends = await log.admin().end_offsets(tps)
    return next((tp, end) for tp, end in ends.items() if end)


async def test_it_is_ready_with_all_that_was_there_and_goes_on(following, send, timer):
    await send(*(timer(topic=TOPIC, name=str(n), key=f"local:c{n % 7}") for n in range(1_200)))
    seen = []
    async with following(seen.append) as follower:
        await asyncio.wait_for(follower.wait_ready(), 60)
        assert len(seen) == 1_200
        assert not any(a.tp == b.tp and a.offset >= b.offset for a, b in itertools.pairwise(seen))
        await send(timer(topic=TOPIC, name="more"), Message(TOPIC, b"local:c1", None))
        await eventually(lambda: len(seen) == 1_202)
    assert not follower.ready


async def test_reached_waits_for_the_record_before_the_offset(following, log, send, timer):
    seen = []
    await send(timer(topic=TOPIC, name="one"))
    tp, end = await end_of_the_only_record(log)
    async with following(seen.append) as follower:
        await asyncio.wait_for(follower.reached(tp, end), 60)
        assert len(seen) == 1
        waiting = asyncio.create_task(follower.reached(tp, end + 1))
        await asyncio.sleep(0)
        assert not waiting.done()
        await send(timer(topic=TOPIC, name="two"))
        await asyncio.wait_for(waiting, 60)
        assert len(seen) == 2


async def test_a_wait_that_is_given_up_disturbs_no_other(following, log, send, timer):
    await send(timer(topic=TOPIC, name="one"))
    tp, end = await end_of_the_only_record(log)
    async with following(lambda _: None) as follower:
        given_up, kept = (asyncio.create_task(follower.reached(tp, end + 1)) for _ in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        await send(timer(topic=TOPIC, name="two"))
        await asyncio.wait_for(kept, 60)


async def test_after_batch_is_called_for_an_empty_topic_too(following):
    called = asyncio.Event()
    async with following(lambda _: None, after_batch=called.set):
        await asyncio.wait_for(called.wait(), 60)


async def test_what_apply_raises_ends_it(following, send, timer):
    def fail(record):
        raise LookupError

    await send(timer(topic=TOPIC, name="one"))
    with pytest.raises(ExceptionGroup) as raised:
        async with following(fail):
            await asyncio.wait_for(asyncio.Event().wait(), 60)
    assert isinstance(raised.value.exceptions[0], LookupError)


async def test_what_cannot_be_read_is_counted_and_skipped(
    following, send, timer, metrics, registry
):
    seen = []

    def apply(incoming):
        if incoming.data.name == "wrong":
            raise KeyFormatError(part="key", value="?", expected="!")
        seen.append(incoming.data.name)

    bad = timer(topic=TOPIC, name="bad")
    await send(
        msgspec.structs.replace(bad, value=b"\xff"),
        msgspec.structs.replace(bad, headers=()),
        Message(TOPIC, b"local:c1", None),
        timer(topic=TOPIC, name="wrong"),
        timer(topic=TOPIC, name="good"),
    )
    async with following(readable(apply, metrics=metrics)) as follower:
        await asyncio.wait_for(follower.wait_ready(), 60)
    assert seen == ["good"]
    labels = {"topic": TOPIC}
    assert registry.get_sample_value("facilitair_view_poison_total", labels) == 4
