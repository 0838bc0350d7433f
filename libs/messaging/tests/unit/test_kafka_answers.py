"""Waiting for the batches of a send, which other sends wait for as well (R4)."""

import asyncio

import pytest

from facilitair_messaging.adapters.kafka.producer import _answered
from facilitair_messaging.adapters.kafka.session import GivenUpError


def futures(count):
    loop = asyncio.get_running_loop()
    return [loop.create_future() for _ in range(count)]


async def waiting(answers, broken):
    task = asyncio.create_task(_answered(set(answers), broken=broken))
    await asyncio.sleep(0)
    return task


async def test_it_returns_when_the_last_batch_is_answered():
    *answers, broken = futures(4)
    task = await waiting(answers, broken)
    for answer in answers:
        assert not task.done()
        answer.set_result("offset")
        await asyncio.sleep(0)
    await task


async def test_answers_that_came_before_count():
    first, second, broken = futures(3)
    first.set_result("offset")
    second.set_result("offset")
    await _answered({first, second}, broken=broken)


async def test_r4_the_first_error_ends_the_wait():
    first, second, broken = futures(3)
    task = await waiting([first, second], broken)
    second.set_exception(OSError("refused"))
    with pytest.raises(OSError, match="refused"):
        await task
    assert not first.done()


async def test_r4_a_producer_that_is_given_up_ends_the_wait():
    first, second, broken = futures(3)
    task = await waiting([first, second], broken)
    first.set_result("offset")
    broken.set_exception(GivenUpError(reason="another send had a doubt"))
    with pytest.raises(GivenUpError):
        await task


async def test_a_send_that_gives_up_takes_no_batch_from_others():
    answer, broken = futures(2)
    one, other = await waiting([answer], broken), await waiting([answer], broken)
    one.cancel()
    await asyncio.wait({one})
    assert not answer.cancelled()
    answer.set_result("offset")
    await other
