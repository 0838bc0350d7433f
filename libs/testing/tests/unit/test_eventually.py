"""Waiting for a condition."""

import asyncio

import pytest

from facilitair_testing.eventually import ConditionNotMetError, eventually


async def test_returns_the_first_truthy_value():
    answers = iter([0, None, "", "found", "never asked"])
    assert await eventually(lambda: next(answers)) == "found"


async def test_waits_for_what_another_task_does():
    seen: list[int] = []
    asyncio.get_running_loop().call_later(0.01, seen.append, 7)
    assert await eventually(lambda: seen, what="the number") == [7]


async def test_awaits_an_async_predicate():
    async def predicate() -> int:
        await asyncio.sleep(0)
        return 3

    assert await eventually(predicate) == 3


async def test_failure_names_what_was_awaited_and_what_was_seen_last():
    with pytest.raises(ConditionNotMetError) as caught:
        await eventually(list, timeout_s=0.02, what="a record")
    assert "a record did not happen within 0.02 s; last seen: []" in str(caught.value)


async def test_a_failing_assert_counts_as_not_yet_and_is_shown():
    tries: list[int] = []

    def predicate() -> bool:
        tries.append(1)
        assert len(tries) > 2, "too early"
        return True

    assert await eventually(predicate)

    def never() -> bool:
        assert not tries, "seven is missing"
        return True

    with pytest.raises(ConditionNotMetError, match="seven is missing"):
        await eventually(never, timeout_s=0.02)


async def test_another_error_ends_the_wait_at_once():
    def broken() -> bool:
        raise KeyError(7)

    with pytest.raises(KeyError):
        await eventually(broken, timeout_s=60)


async def test_an_async_predicate_that_hangs_is_cut_at_the_deadline():
    cancelled = asyncio.Event()

    async def hangs() -> bool:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return True

    with pytest.raises(ConditionNotMetError):
        await eventually(hangs, timeout_s=0.02)
    assert cancelled.is_set()
