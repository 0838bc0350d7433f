"""A page of a collaboration's public events, read from their copies on the stream."""

import asyncio
from typing import Any, Final

import msgspec
from msgspec import Struct

from facilitair_gateway.delivery import behind
from facilitair_gateway.errors import EventsMissingError
from facilitair_gateway.fanout import Cursor, Entry, Verdict
from facilitair_gateway.hub import StreamHub
from facilitair_gateway.viewer import Source, Viewer
from facilitair_gateway.viewing import Place

READ_S: Final = 10.0
"""How long one page may read; what it found until then is returned."""


class EventsPage(Struct, frozen=True, kw_only=True):
    """Events in order; ``next_cursor`` is set when there are more."""

    data: list[dict[str, Any]]
    has_more: bool
    next_cursor: str | None


class _Page:
    """A page while it is filled."""

    def __init__(self, start: Cursor, *, limit: int) -> None:
        self.found: list[dict[str, Any]] = []
        self.reached = start
        self._limit = limit

    def add(self, viewer: Viewer, entry: Entry) -> bool:
        """Take an entry; False when the page ends before it: full, or events are missing there.

        Raises EventsMissingError where they are missing at the beginning of the page.
        """
        if entry.seq is not None and len(self.found) == self._limit:
            return False
        verdict = Verdict.MISSING if entry.hole else viewer.progress.admit(entry)
        if verdict is Verdict.MISSING and self.found:
            return False
        if verdict is Verdict.MISSING:
            raise EventsMissingError(cursor=str(behind(viewer, entry)))
        viewer.resume_at = entry.offset + 1
        self.reached = Cursor(viewer.partition, entry.offset + 1, viewer.progress.seq)
        if verdict is Verdict.SEND and entry.seq is not None:
            self.found.append(
                {
                    "id": str(self.reached),
                    "kind": entry.kind.decode(),
                    "data": msgspec.Raw(entry.value),
                }
            )
        return True

    def last(self) -> EventsPage:
        """The page when nothing follows it now."""
        return EventsPage(data=self.found, has_more=False, next_cursor=None)

    def full(self) -> EventsPage:
        """The page when there is more to read."""
        return EventsPage(data=self.found, has_more=True, next_cursor=str(self.reached))


async def read_page(
    hub: StreamHub, place: Place, *, limit: int, read_s: float = READ_S
) -> EventsPage:
    """Up to ``limit`` events from a place on, as far as the log reaches now.

    Raises CursorError when the place turns out to be wrong or to have expired.
    """
    page = _Page(place.cursor, limit=limit)
    if place.finished:
        return page.last()
    try:
        async with asyncio.timeout(read_s):
            await hub.reached(place.cursor.partition, await hub.log_end(place.cursor.partition))
            viewer = hub.join(place.key, place.cursor, witnessed=place.witnessed)
            try:
                return await _fill(page, hub=hub, viewer=viewer)
            finally:
                hub.leave(viewer)
    except TimeoutError:
        return page.full()


async def _fill(page: _Page, *, hub: StreamHub, viewer: Viewer) -> EventsPage:
    while True:
        entries = hub.next_entries(viewer)
        for entry in entries:
            if not page.add(viewer, entry):
                return page.full()
            if entry.terminal:
                return page.last()
        if entries:
            continue
        if viewer.fault is not None:
            raise viewer.fault
        if viewer.source is Source.RING:
            return page.last()
        await viewer.wait()
