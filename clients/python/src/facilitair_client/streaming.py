"""A stream that resumes by itself: connect, read, and after a drop read on from the last id."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import httpx
from msgspec import Struct

from facilitair_client.backoff import Patience, wait_s
from facilitair_client.errors import ApiError, ConnectionLostError, EventsMissingError
from facilitair_client.events import GAP, Event, event_of
from facilitair_client.seen import Seen
from facilitair_client.sse import Frame, SseParser


class Batch(Struct, frozen=True, kw_only=True):
    """What arrived at once: a sign of life, and perhaps frames.

    ``retry_ms`` is when the server wants us back.
    ``over`` says that nothing follows the cursor, and nothing will.
    """

    frames: Sequence[Frame] = ()
    retry_ms: int | None = None
    over: bool = False


Connect = Callable[[str | None], AbstractAsyncContextManager[AsyncIterator[Batch]]]
"""Opens the stream after a cursor; raises httpx.TransportError or ApiError, then and while read."""

_MS: Final = 1000


class Position:
    """Where a stream is: the last id, and how it has fared since the last sign of life."""

    def __init__(self, cursor: str | None, *, now: float) -> None:
        self.cursor = cursor
        self.alive_at = now
        self.failures = 0
        self.retry_s: float | None = None
        self.last_gap: str | None = None
        self.over = False


class Waiting(Struct, frozen=True, kw_only=True):
    """Time and chance, as parameters so that tests need neither."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    share: Callable[[], float] = random.random  # noqa: S311 - jitter, not a secret


async def follow(
    connect: Connect,
    *,
    url: str,
    cursor: str | None,
    seen: Seen,
    patience: Patience,
    waiting: Waiting,
) -> AsyncGenerator[Event, None]:
    """Every new event after ``cursor``, once and in order, up to the terminal one.

    Raises ConnectionLostError when nothing was heard for ``patience.give_up_after_s``, ApiError
    for an answer that asking again does not change, EventsMissingError for a gap that stays.
    """
    position = Position(cursor, now=waiting.now())
    while True:
        asked_s: float | None = None
        try:
            async with connect(position.cursor) as batches:
                async for event in _read(batches, position=position, seen=seen, waiting=waiting):
                    yield event
                    if event.terminal:
                        return
                if position.over:
                    return
        except httpx.TransportError:
            position.failures += 1
        except ApiError as error:
            if not error.transient:
                raise
            position.failures += 1
            asked_s = error.retry_after_s
        else:
            # The server closed in good order: it is stopping, or cut us off after a gap.
            position.failures = max(position.failures, 1)
        await _pause(position, asked_s, url=url, patience=patience, waiting=waiting)


async def batches_of(body: AsyncIterator[bytes]) -> AsyncIterator[Batch]:
    """Server-sent events from the bytes of one connection."""
    parser = SseParser()
    async for data in body:
        frames = parser.feed(data)
        yield Batch(frames=frames, retry_ms=parser.retry_ms)


async def nothing() -> AsyncIterator[Batch]:
    """What follows a cursor from after the end."""
    yield Batch(over=True)


async def _read(
    batches: AsyncIterator[Batch], *, position: Position, seen: Seen, waiting: Waiting
) -> AsyncIterator[Event]:
    """The new events of one connection; returns when it ends, or at a gap."""
    async for batch in batches:
        position.alive_at = waiting.now()
        position.failures = 0
        position.over = batch.over
        if batch.retry_ms is not None:
            position.retry_s = batch.retry_ms / _MS
        for frame in batch.frames:
            event = event_of(frame)
            position.cursor = event.id or position.cursor
            if event.kind == GAP:
                _check_gap(event, position)
                return
            if seen.admit(event):
                position.last_gap = None
                yield event


def _check_gap(event: Event, position: Position) -> None:
    """A gap is a request to come back; the same one again without an event between is a loss."""
    if event.id is None or event.id == position.last_gap:
        reason = str(event.data.get("message") or event.data.get("reason") or "no reason was given")
        raise EventsMissingError(reason=reason, cursor=event.id)
    position.last_gap = event.id


async def _pause(
    position: Position,
    asked_s: float | None,
    *,
    url: str,
    patience: Patience,
    waiting: Waiting,
) -> None:
    silent_s = waiting.now() - position.alive_at
    if silent_s >= patience.give_up_after_s:
        raise ConnectionLostError(url=url, waited_s=silent_s, cursor=position.cursor)
    if position.last_gap is not None and position.failures <= 1:
        return
    asked_s = position.retry_s if asked_s is None else asked_s
    position.retry_s = None
    pause_s = wait_s(patience, failures=position.failures, share=waiting.share(), asked_s=asked_s)
    await waiting.sleep(min(pause_s, patience.give_up_after_s))
