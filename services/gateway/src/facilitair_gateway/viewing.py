"""Where a viewer may begin: cursors checked against the collaboration they are used on (R31)."""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from facilitair_events.keys import collaboration_key
from facilitair_events.replies import RequestAnswered
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_events.types import TERMINAL_KINDS
from facilitair_gateway.errors import ForeignCursorError
from facilitair_gateway.fanout import START, Cursor, parse_cursor
from facilitair_gateway.hub import StreamHub
from facilitair_gateway.inbox import Inbox
from facilitair_gateway.principal import Principal
from facilitair_messaging.ports import Log

TERMINAL_STATUSES: Final = frozenset(kind.partition(".")[2] for kind in TERMINAL_KINDS)
_REMEMBERED_STARTS: Final = 10_000


class Place(Struct, frozen=True, kw_only=True):
    """Where a view begins.

    ``witnessed`` says that the cursor is known to be of this collaboration, ``finished`` that its
    owner was sent the terminal event already.
    """

    key: bytes
    cursor: Cursor
    witnessed: bool
    finished: bool = False


class Starts:
    """The stream starts of collaborations submitted here lately, so that nobody asks for them."""

    def __init__(self) -> None:
        self._starts: OrderedDict[bytes, int] = OrderedDict()

    def remember(self, key: bytes, start: int) -> None:
        """Note what the reducer answered to a submit."""
        self._starts[key] = start
        self._starts.move_to_end(key)
        if len(self._starts) > _REMEMBERED_STARTS:
            self._starts.popitem(last=False)

    def get(self, key: bytes) -> int | None:
        """The start of a collaboration, if it is remembered."""
        return self._starts.get(key)


class Viewing:
    """Finds places on the stream."""

    def __init__(self, log: Log, hub: StreamHub, *, inbox: Inbox) -> None:
        self._log = log
        self._hub = hub
        self._inbox = inbox
        self._starts = Starts()

    def start_cursor(self, principal: Principal, answer: RequestAnswered) -> str:
        """The cursor from before the first record of a collaboration that was just answered for."""
        if answer.stream_start is None:
            return START
        key = collaboration_key(principal.tenant, answer.collaboration).encode()
        self._starts.remember(key, answer.stream_start)
        partition = self._log.partition_for(COLLABORATION_STREAM, key)
        return str(Cursor(partition, answer.stream_start, 0))

    async def stream_end(self, principal: Principal, collaboration: str) -> int:
        """The end of the stream partition of a collaboration, now (R15)."""
        key = collaboration_key(principal.tenant, collaboration).encode()
        partition = self._log.partition_for(COLLABORATION_STREAM, key)
        return await self._hub.log_end(partition)

    async def place(self, principal: Principal, collaboration: str, *, cursor: str | None) -> Place:
        """Where a view with this cursor begins; without one, at the collaboration's first event.

        Raises CursorError in its kinds, UnknownCollaborationError, and NoAnswerError when that
        could not be found out.
        """
        wanted = None if cursor in {None, "", START} else parse_cursor(cursor or "")
        key = collaboration_key(principal.tenant, collaboration).encode()
        partition = self._log.partition_for(COLLABORATION_STREAM, key)
        place = self._known(key, partition, wanted=wanted)
        if place is None:
            found = await self._inbox.describe(principal, collaboration)
            place = _placed(key, partition, wanted=wanted, answer=found.answer)
        if place.finished:
            return place
        first = place.cursor.offset - (0 if place.witnessed else 1)
        await self._hub.check_offset(partition, first, last=place.cursor.offset)
        return place

    def _known(self, key: bytes, partition: int, *, wanted: Cursor | None) -> Place | None:
        """The place when nobody has to be asked: the last sent record is at hand, or the start."""
        start = self._starts.get(key)
        begin = None if start is None else Cursor(partition, start, 0)
        if begin is not None and wanted in {None, begin}:
            return Place(key=key, cursor=begin, witnessed=True)
        if wanted is None or wanted.partition != partition:
            return None
        sent = self._hub.sent_before(key, wanted)
        if sent is None or sent.seq not in {None, wanted.seq}:
            return None
        return Place(key=key, cursor=wanted, witnessed=True, finished=sent.terminal)


def _placed(key: bytes, partition: int, *, wanted: Cursor | None, answer: RequestAnswered) -> Place:
    """The place by what the reducer says. Raises ForeignCursorError."""
    start = answer.stream_start or 0
    if wanted is None:
        return Place(key=key, cursor=Cursor(partition, start, 0), witnessed=True)
    if wanted.partition != partition or wanted.offset < start or wanted.seq > answer.last_seq:
        raise ForeignCursorError
    at_start = wanted.offset == start
    if at_start and wanted.seq:
        raise ForeignCursorError
    finished = answer.status in TERMINAL_STATUSES and wanted.seq >= answer.last_seq
    return Place(key=key, cursor=wanted, witnessed=at_start, finished=finished)
