"""Waiting in tests for something that another task or process brings about."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, overload

T = TypeVar("T")

_FIRST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.05


class ConditionNotMetError(AssertionError):
    """A condition did not come true in time; the message says what was awaited and last seen."""

    def __init__(self, *, what: str, timeout_s: float, last: object) -> None:
        self.what = what
        super().__init__(f"{what} did not happen within {timeout_s:g} s; last seen: {last!r}")


@overload
async def eventually(
    predicate: Callable[[], Awaitable[T]], *, timeout_s: float = ..., what: str = ...
) -> T: ...


@overload
async def eventually(
    predicate: Callable[[], T], *, timeout_s: float = ..., what: str = ...
) -> T: ...


async def eventually(
    predicate: Callable[[], T | Awaitable[T]],
    *,
    timeout_s: float = 60.0,
    what: str = "the condition",
) -> T:
    """Return the first truthy value of ``predicate``, a plain or an async function.

    It is asked at once and then again after short, growing pauses.
    An AssertionError from it counts as "not yet", so it may hold asserts; any other error ends the
    wait. An async predicate is cancelled at the deadline.
    Raises ConditionNotMetError after ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    pause = _FIRST_PAUSE_S
    last: object = None
    while True:
        scope = asyncio.timeout(max(deadline - time.monotonic(), _LONGEST_PAUSE_S))
        try:
            async with scope:
                last = found = await _ask(predicate)
            if found:
                return found
        except AssertionError as error:
            last = error
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise ConditionNotMetError(what=what, timeout_s=timeout_s, last=last) from error
        if time.monotonic() >= deadline:
            raise ConditionNotMetError(what=what, timeout_s=timeout_s, last=last)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)


async def _ask(predicate: Callable[[], T | Awaitable[T]]) -> T:
    found = predicate()
    return await found if inspect.isawaitable(found) else found
