"""A view joins what was in the topic with what follows, and survives what it cannot read."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from facilitair_events.catalog import LabelMoved, VersionPublished
from facilitair_messaging.ports import Message
from facilitair_messaging.view import CompactedView
from facilitair_testing.eventually import eventually


def label(version):
    return LabelMoved(kind="agent", name="coder", label="active", version=version)


@pytest.fixture
def put(send, timer):
    async def write(key, version):
        if version is None:
            await send(Message("catalog", key.encode(), None))
        else:
            await send(timer(version, topic="catalog", key=key, data=label(version)))

    return write


@pytest.fixture
def viewing(log, metrics):
    @asynccontextmanager
    async def run(*, types=(LabelMoved,), on_change=None):
        view = CompactedView(
            log=log, topic="catalog", types=types, metrics=metrics, on_change=on_change
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(view.run())
            try:
                yield view
            finally:
                task.cancel()

    return run


async def test_it_is_ready_with_all_that_was_there(viewing, put):
    for version in range(3):
        for key in "abcdef":
            await put(key, f"{key}{version}")
    await put("f", None)

    async with viewing() as view:
        assert not view.ready
        await asyncio.wait_for(view.wait_ready(), 60)
        assert {key: value.version for key, value in view.items().items()} == {
            key: f"{key}2" for key in "abcde"
        }
        assert view.get("f") is None
    assert not view.ready


async def test_it_is_not_ready_after_the_first_of_many_polls(viewing, send, timer):
    await send(*(timer("v", topic="catalog", key=f"k{n}", data=label("v")) for n in range(1_300)))
    async with viewing() as view:
        await asyncio.wait_for(view.wait_ready(), 60)
        assert len(view.items()) == 1_300


async def test_a_second_run_forgets_what_the_log_forgot(log, metrics, put):
    view = CompactedView(log=log, topic="catalog", types=(LabelMoved,), metrics=metrics)
    for expected in ({"a": label("1"), "b": label("1")}, {"a": label("1")}):
        await put("a", "1")
        if "b" in expected:
            await put("b", "1")
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(view.run())
            await asyncio.wait_for(view.wait_ready(), 60)
            assert dict(view.items()) == expected
            task.cancel()
        await put("b", None)
        await log.clean()


async def test_an_empty_topic_is_ready_at_once(viewing):
    async with viewing() as view:
        await asyncio.wait_for(view.wait_ready(), 60)
        assert dict(view.items()) == {}


async def test_it_follows_and_tells_each_change_in_order(viewing, put):
    changes = []

    def changed(key, value):
        changes.append((key, value and value.version))

    await put("a", "1")
    async with viewing(on_change=changed) as view:
        await asyncio.wait_for(view.wait_ready(), 60)
        await put("a", "2")
        await put("nobody", None)
        await put("a", None)
        await put("a", "3")
        await eventually(lambda: view.get("a") == label("3"))

    assert changes == [("a", "1"), ("a", "2"), ("a", None), ("a", "3")]


async def test_poison_is_counted_and_keeps_the_older_value(viewing, put, send, timer, registry):
    version = VersionPublished(kind="agent", name="n", version="v", digest="d", document={})
    good = timer("bad", topic="catalog", key="a", data=label("2"))
    await put("a", "1")
    await send(
        msgspec.structs.replace(good, value=b"\xff"),
        msgspec.structs.replace(good, headers=()),
        timer("other", topic="catalog", key="a", data=version),
        Message("catalog", b"\xff", None),
    )
    async with viewing() as view:
        await asyncio.wait_for(view.wait_ready(), 60)
        assert view.get("a") == label("1")
        await put("a", "3")
        await eventually(lambda: view.get("a") == label("3"))

    labels = {"topic": "catalog"}
    assert registry.get_sample_value("facilitair_view_poison_total", labels) == 4
    assert registry.get_sample_value("facilitair_view_keys", labels) == 1


async def test_several_types_live_in_one_view(viewing, send, timer):
    version = VersionPublished(kind="agent", name="n", version="v", digest="d", document={})
    await send(timer("v", topic="catalog", key="v", data=version))
    await send(timer("l", topic="catalog", key="l", data=label("1")))
    async with viewing(types=(LabelMoved, VersionPublished)) as view:
        await asyncio.wait_for(view.wait_ready(), 60)
        assert dict(view.items()) == {"v": version, "l": label("1")}


async def test_the_items_cannot_be_changed_from_outside(viewing, put):
    await put("a", "1")
    async with viewing() as view:
        await asyncio.wait_for(view.wait_ready(), 60)
        with pytest.raises(TypeError):
            view.items()["a"] = label("2")


async def test_what_the_callback_raises_ends_the_view(viewing, put):
    def changed(_key, _value):
        raise LookupError

    await put("a", "1")
    with pytest.raises(ExceptionGroup) as caught:
        async with viewing(on_change=changed):
            await asyncio.Event().wait()
    assert caught.group_contains(LookupError)


async def test_a_compacted_log_gives_the_same_view(viewing, put, log):
    for version in range(5):
        for key in "ab":
            await put(key, f"{version}")
    await log.clean()
    async with viewing() as view:
        await asyncio.wait_for(view.wait_ready(), 60)
        assert dict(view.items()) == {"a": label("4"), "b": label("4")}


async def test_no_change_is_lost_where_first_read_and_following_meet(viewing, put):
    async def write():
        for number in range(50):
            await put("a", f"{number}")
            await put(f"k{number}", "x")

    seen = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        async with viewing(on_change=lambda key, value: seen.append((key, value.version))) as view:
            await eventually(lambda: len(view.items()) == 51)
            await eventually(lambda: view.get("a") == label("49"))
    assert [version for key, version in seen if key == "a"] == [f"{n}" for n in range(50)]
