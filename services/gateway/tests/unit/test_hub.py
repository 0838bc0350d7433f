"""The hub over a real log: every viewer gets its own records, once and in order, from anywhere."""

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_gateway.errors import ExpiredCursorError, ForeignCursorError, FutureCursorError
from facilitair_gateway.fanout import Cursor
from facilitair_gateway.hub import StreamHub
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Message
from facilitair_observability.metrics import Metrics
from facilitair_testing.eventually import eventually
from facilitair_testing.topics import topic_spec

KEYS = (b"local:a", b"local:b", b"local:c")


def chunk(key: bytes, index: int, size: int = 10) -> Message:
    headers = (
        ("ce_type", b"facilitair.token.v1"),
        ("step", b"s"),
        ("attempt", b"1"),
        ("index", b"%d" % index),
    )
    return Message(COLLABORATION_STREAM, key, b'"%b"' % (b"x" * size), headers)


@asynccontextmanager
async def opened(path, **more):
    topics = {COLLABORATION_STREAM: topic_spec(COLLABORATION_STREAM, **more)}
    async with EmbeddedLog.open(path, topics) as log, log.producer() as producer:
        await log.admin().ensure_topics(topics.values())
        yield log, producer


@asynccontextmanager
async def fanning(log, **more):
    options = {
        "ring_bytes": 1_000_000,
        "client_buffer_bytes": 1_000_000,
        "replay_readers": 2,
        "heartbeat_s": 60,
        "request_timeout_s": 60,
        "metrics": Metrics(CollectorRegistry()),
    }
    hub = StreamHub(log, **(options | more))
    task = asyncio.create_task(hub.run())
    await hub.wait_started()
    try:
        yield hub
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def read_until(hub, viewer, offset: int) -> list[int]:
    """The offsets that a viewer is given, up to one."""
    found: list[int] = []
    async with asyncio.timeout(90):
        while not found or found[-1] < offset:
            entries = hub.next_entries(viewer)
            found += [entry.offset for entry in entries]
            if not entries:
                assert viewer.fault is None
                await viewer.wait()
    return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=60),
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=60),
    st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 120)), min_size=1, max_size=8),
    st.integers(0, 12_000),
    st.integers(1_024, 4_000),
)
def test_r31_whoever_joins_wherever_gets_each_record_of_its_own_once_in_order(
    tmp_path_factory, before, after, joins, ring_bytes, buffer_bytes
) -> None:
    """Old ones from the log, recent ones from the ring, new ones live; no gap, no repeat."""
    keys = [*before, *after]

    async def scenario() -> None:
        path = tmp_path_factory.mktemp("hub") / "log.db"
        async with opened(path) as (log, producer):
            await producer.send([chunk(key, i, 300) for i, key in enumerate(before)])
            async with fanning(log, ring_bytes=ring_bytes, client_buffer_bytes=buffer_bytes) as hub:
                viewers = [
                    (key, offset, hub.join(key, Cursor(0, offset, 0), witnessed=True))
                    for key, offset in joins
                    if offset <= len(before)
                ]
                reading = []
                for key, offset, viewer in viewers:
                    own = [o for o, k in enumerate(keys) if k == key and o >= offset]
                    if own:
                        task = asyncio.create_task(read_until(hub, viewer, own[-1]))
                        reading.append((task, own))
                for index, key in enumerate(after):
                    await producer.send([chunk(key, len(before) + index, 300)])
                for task, own in reading:
                    assert await task == own
                for _, _, viewer in viewers:
                    hub.leave(viewer)
                assert hub.viewers == 0

    asyncio.run(scenario())


async def test_many_old_resumes_share_a_few_readers(tmp_path) -> None:
    async with opened(tmp_path / "log.db") as (log, producer):
        await producer.send([chunk(KEYS[i % 3], i) for i in range(3000)])
        readers = 0
        opening = log.reader

        def counted():
            nonlocal readers
            readers += 1
            return opening()

        log.reader = counted
        async with fanning(log, replay_readers=2) as hub:
            viewers = [
                hub.join(KEYS[0], Cursor(0, offset, 0), witnessed=True) for offset in range(300)
            ]
            found = await asyncio.gather(*(read_until(hub, v, 2997) for v in viewers))
            assert readers == 3
        for offset, offsets in enumerate(found):
            assert offsets == [o for o in range(3000) if o % 3 == 0 and o >= offset]


async def test_a_replaying_viewer_that_does_not_read_holds_up_nobody_and_loses_nothing(
    tmp_path,
) -> None:
    async with opened(tmp_path / "log.db") as (log, producer):
        await producer.send([chunk(KEYS[0], i, 1000) for i in range(200)])
        async with fanning(log, client_buffer_bytes=8_000) as hub:
            idle = hub.join(KEYS[0], Cursor(0, 0, 0), witnessed=True)
            quick = hub.join(KEYS[0], Cursor(0, 0, 0), witnessed=True)
            assert await read_until(hub, quick, 199) == list(range(200))
            assert idle.backlog_bytes < 8_000 + 2_000
            assert await read_until(hub, idle, 199) == list(range(200))


async def test_a_live_viewer_that_falls_behind_is_cut_off_with_its_cursor(tmp_path) -> None:
    async with (
        opened(tmp_path / "log.db") as (log, producer),
        fanning(log, client_buffer_bytes=4_000) as hub,
    ):
        viewer = hub.join(KEYS[0], Cursor(0, 0, 0), witnessed=True)
        assert hub.take(viewer) == b""
        await producer.send([chunk(KEYS[0], 0)])
        await hub.reached(0, 1)
        assert hub.take(viewer).startswith(b"id: 0-1-0\nevent: token\n")
        await producer.send([chunk(KEYS[0], i, 500) for i in range(1, 8)])
        await hub.reached(0, 8)
        assert hub.take(viewer).startswith(b"id: 0-1-0\nevent: gap\n")
        assert viewer.ended
        assert hub.take(viewer) == b""


async def test_what_came_since_the_last_write_leaves_in_one(tmp_path) -> None:
    async with opened(tmp_path / "log.db") as (log, producer), fanning(log) as hub:
        viewer = hub.join(KEYS[0], Cursor(0, 0, 0), witnessed=True)
        hub.take(viewer)
        await producer.send([chunk(KEYS[i % 2], i) for i in range(20)])
        await hub.reached(0, 20)
        assert hub.take(viewer).count(b"event: token") == 10
        assert hub.take(viewer) == b""


async def test_only_those_who_watch_a_collaboration_are_woken(tmp_path) -> None:
    async with opened(tmp_path / "log.db") as (log, producer), fanning(log) as hub:
        watching = hub.join(KEYS[0], Cursor(0, 0, 0), witnessed=True)
        other = hub.join(KEYS[1], Cursor(0, 0, 0), witnessed=True)
        waits = [viewer.wait() for viewer in (watching, other)]
        await producer.send([chunk(KEYS[0], 0)])
        await asyncio.wait_for(waits[0], 60)
        assert not waits[1].done()
        waits[1].cancel()


@pytest.mark.parametrize("ring_bytes", [0, 1_000_000])
async def test_s03_a_cursor_behind_a_foreign_record_fails_from_ring_and_log(
    tmp_path, ring_bytes: int
) -> None:
    async with (
        opened(tmp_path / "log.db") as (log, producer),
        fanning(log, ring_bytes=ring_bytes) as hub,
    ):
        await producer.send([chunk(KEYS[i % 2], i) for i in range(10)])
        await hub.reached(0, 10)
        mine = hub.join(KEYS[0], Cursor(0, 5, 0), witnessed=False)
        foreign = hub.join(KEYS[0], Cursor(0, 6, 0), witnessed=False)
        await eventually(lambda: foreign.fault, what="the foreign cursor to be found out")
        assert isinstance(foreign.fault, ForeignCursorError)
        assert hub.next_entries(foreign) == []
        assert await read_until(hub, mine, 8) == [6, 8]


async def test_offsets_are_checked_against_what_the_log_has(tmp_path) -> None:
    async with opened(tmp_path / "log.db") as (log, producer):
        await producer.send([chunk(KEYS[0], i) for i in range(5)])
        async with fanning(log) as hub:
            await hub.check_offset(0, 0, last=0)
            await hub.check_offset(0, 5, last=5)
            with pytest.raises(FutureCursorError):
                await hub.check_offset(0, 5, last=6)


async def test_r32_what_expires_while_it_is_waited_for_ends_with_a_gap(tmp_path) -> None:
    day = 24 * 3600 * 1000
    clock = [day]
    topics = {
        COLLABORATION_STREAM: topic_spec(
            COLLABORATION_STREAM, cleanup=("delete",), retention_ms=7 * day
        )
    }
    async with EmbeddedLog.open(tmp_path / "log.db", topics, clock=lambda: clock[0]) as log:
        await log.admin().ensure_topics(topics.values())
        async with log.producer() as producer:
            await producer.send([chunk(KEYS[0], i) for i in range(5)])
            clock[0] += 8 * day
            await producer.send([chunk(KEYS[0], 5)])
        await log.clean()
        async with fanning(log) as hub:
            with pytest.raises(ExpiredCursorError):
                await hub.check_offset(0, 2, last=2)
            viewer = hub.join(KEYS[0], Cursor(0, 2, 0), witnessed=True)
            await eventually(lambda: viewer.fault, what="the viewer to be told")
            assert isinstance(viewer.fault, ExpiredCursorError)
            assert b'"reason":"expired"' in hub.take(viewer)
            assert viewer.ended
            kept = hub.join(KEYS[0], Cursor(0, 5, 0), witnessed=True)
            assert await read_until(hub, kept, 5) == [5]


async def test_a_record_that_nobody_can_be_sent_is_counted_and_passed_over(tmp_path) -> None:
    metrics = Metrics(CollectorRegistry())
    async with (
        opened(tmp_path / "log.db") as (log, producer),
        fanning(log, metrics=metrics) as hub,
    ):
        viewer = hub.join(KEYS[0], Cursor(0, 0, 0), witnessed=True)
        broken = Message(COLLABORATION_STREAM, KEYS[0], b"{}\n", chunk(KEYS[0], 0).headers)
        await producer.send([chunk(KEYS[0], 0), broken, chunk(KEYS[0], 1)])
        assert await read_until(hub, viewer, 2) == [0, 2]
        assert b"facilitair_stream_skipped_total 1.0" in metrics.render()
        assert b"facilitair_stream_viewers 1.0" in metrics.render()


async def test_leaving_twice_is_leaving_once_also_while_replaying(tmp_path) -> None:
    async with opened(tmp_path / "log.db") as (log, producer):
        await producer.send([chunk(KEYS[0], i) for i in range(100)])
        async with fanning(log) as hub:
            for viewer in [
                hub.join(KEYS[0], Cursor(0, offset, 0), witnessed=True) for offset in (0, 50, 100)
            ]:
                hub.leave(viewer)
                hub.leave(viewer)
            assert hub.viewers == 0
            again = hub.join(KEYS[0], Cursor(0, 0, 0), witnessed=True)
            found = await read_until(hub, again, 99)
            assert all(b == a + 1 for a, b in pairwise(found))
