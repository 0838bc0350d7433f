"""Watching one collaboration: events in, screen and transcript on, whoever serves them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from facilitair_cli.attaching import Attachment
from facilitair_cli.errors import CommandError
from facilitair_cli.interrupts import Interrupts, ask
from facilitair_cli.screens import Screen, note
from facilitair_cli.talking import translated
from facilitair_client import (
    ConnectionLostError,
    Event,
    Facilitair,
    Patience,
    Seen,
    Transcript,
)

_TICK_S: Final = 0.2
_AHEAD: Final = 1000
_LOCAL_PATIENCE: Final = Patience(give_up_after_s=2.0, longest_s=0.5)
_MOST_LOSSES: Final = 5
"""How often in a row, without one event between, a server may go away before we give up."""


class Outcome:
    """How watching ended: by the end of the collaboration, or because the user left."""

    def __init__(self) -> None:
        self.cancelled = False
        self.detached = False
        self.left = False


async def events_of(
    attached: Attachment, collaboration: str, *, cursor: str | None, ws: bool = False
) -> AsyncIterator[Event]:
    """Every event once, also over a server that is replaced; see ``Facilitair.stream``.

    Raises RefusedError, NotFoundError and GatewayError.
    """
    seen, losses = Seen(), 0
    while True:
        place = await attached.place()
        local = place.pid is not None
        patience = _LOCAL_PATIENCE if local else None
        with translated():
            async with Facilitair(place.url, place.api_key, patience=patience) as client:
                try:
                    async for event in client.stream(collaboration, cursor, seen=seen, ws=ws):
                        losses, cursor = 0, event.id or cursor
                        yield event
                    return
                except ConnectionLostError as error:
                    losses += 1
                    if not local or losses > _MOST_LOSSES:
                        raise
                    cursor = error.cursor or cursor
        note("the gateway is gone; looking for another …")


async def watch(
    events: AsyncIterator[Event],
    transcript: Transcript,
    *,
    screen: Screen,
    found: Interrupts,
    cancel: Callable[[], Awaitable[None]],
) -> Outcome:
    """Show events until they end, or until the user leaves. Raises what ``events`` raises."""
    outcome = Outcome()
    queue: asyncio.Queue[Event] = asyncio.Queue(_AHEAD)
    pump = asyncio.create_task(_pump(events, queue))
    try:
        while True:
            event = await _next(queue, found, pump=pump)
            if found.asked.is_set():
                screen.pause()
                await _decide(outcome, found, cancel=cancel)
                if outcome.left or outcome.detached:
                    return outcome
            if event is None:
                await pump
                return outcome
            if event is _TICK:
                screen.tick(transcript)
            elif transcript.apply(event):
                screen.event(event, transcript)
    finally:
        pump.cancel()
        await asyncio.wait([pump])


_TICK: Final = Event(id=None, kind="tick", data={})


async def _next(
    queue: "asyncio.Queue[Event]", found: Interrupts, *, pump: "asyncio.Task[None]"
) -> Event | None:
    """The next event, a tick after a moment or at an interrupt, None at the end."""
    with contextlib.suppress(asyncio.QueueEmpty):
        return queue.get_nowait()
    if found.asked.is_set():
        return _TICK
    if pump.done():
        return None
    getting = asyncio.create_task(queue.get())
    asked = asyncio.create_task(found.asked.wait())
    try:
        await asyncio.wait(
            {getting, asked, pump}, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED
        )
        return getting.result() if getting.done() else _TICK
    finally:
        getting.cancel()
        asked.cancel()


async def _pump(events: AsyncIterator[Event], queue: "asyncio.Queue[Event]") -> None:
    async for event in events:
        await queue.put(event)


async def _decide(
    outcome: Outcome, found: Interrupts, *, cancel: Callable[[], Awaitable[None]]
) -> None:
    choice = await ask(found)
    if choice == "cancel":
        try:
            await cancel()
        except CommandError as error:
            note(str(error))
        else:
            outcome.cancelled = True
            note("cancelling …")
    elif choice == "detach":
        outcome.detached = True
    elif choice == "leave":
        outcome.left = True
