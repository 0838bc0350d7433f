"""When a wait for bytes ends; the loop's clock is moved by hand."""

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from facilitair_llm.stalls import Stall, StalledError


class Clock:
    """The clock and the timers of a loop."""

    def __init__(self):
        self.now_s = 100.0
        self.timers = []
        self.made = 0

    def time(self):
        return self.now_s

    def call_at(self, at_s, callback):
        timer = SimpleNamespace(at_s=at_s, callback=callback, when=lambda: at_s)
        timer.cancel = lambda: self.timers.remove(timer) if timer in self.timers else None
        self.timers.append(timer)
        self.made += 1
        return timer

    def pass_until(self, now_s):
        self.now_s = now_s
        for timer in [one for one in self.timers if one.at_s <= now_s]:
            self.timers.remove(timer)
            timer.callback()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def content():
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    return StreamReader(protocol, 2**16, loop=loop)


async def begun(stall):
    reading = asyncio.ensure_future(stall.readany())
    await asyncio.sleep(0)
    return reading


async def test_a_wait_ends_at_its_time(clock, content):
    stall = Stall(content, at_s=110.0, loop=clock)
    reading = await begun(stall)
    clock.pass_until(109.9)
    assert not reading.done()
    clock.pass_until(110.0)
    with pytest.raises(StalledError):
        await reading


async def test_a_later_time_is_kept_by_the_same_timer(clock, content):
    stall = Stall(content, at_s=110.0, loop=clock)
    for at_s in (120.0, 130.0, 140.0):
        stall.move(at_s)
        assert len(clock.timers) == 1
    reading = await begun(stall)
    clock.pass_until(139.9)
    assert not reading.done()
    clock.pass_until(140.0)
    with pytest.raises(StalledError):
        await reading


async def test_an_earlier_time_counts_from_now_on(clock, content):
    stall = Stall(content, at_s=200.0, loop=clock)
    stall.move(110.0)
    reading = await begun(stall)
    clock.pass_until(110.0)
    with pytest.raises(StalledError):
        await reading


async def test_what_came_in_time_is_returned_however_late_it_is_read(clock, content):
    stall = Stall(content, at_s=110.0, loop=clock)
    content.feed_data(b"in time")
    clock.pass_until(111.0)
    assert await stall.readany() == b"in time"
    with pytest.raises(StalledError):
        await stall.readany()


async def test_an_end_that_came_in_time_is_an_end(clock, content):
    stall = Stall(content, at_s=110.0, loop=clock)
    content.feed_eof()
    clock.pass_until(111.0)
    assert await stall.readany() == b""


async def test_what_comes_late_after_all_begins_a_new_time(clock, content):
    stall = Stall(content, at_s=110.0, loop=clock)
    clock.pass_until(111.0)
    content.feed_data(b"late")
    assert await stall.readany() == b"late"
    stall.move(120.0)
    reading = await begun(stall)
    clock.pass_until(119.0)
    content.feed_data(b"more")
    assert await reading == b"more"


async def test_an_ended_one_watches_no_longer(clock, content):
    stall = Stall(content, at_s=110.0, loop=clock)
    stall.end()
    assert not clock.timers


async def test_reading_makes_no_timers(clock, content):
    """What a chunk of a model costs the worker, counted."""
    stall = Stall(content, at_s=110.0, loop=clock)
    for number in range(100):
        content.feed_data(b"x")
        await stall.readany()
        stall.move(120.0 + number)
    assert clock.made == 1
