"""One accepted WebSocket: what it watches, what it is asked, and when it ends.

Each collaboration that it watches has a task of its own, as a stream of events has.
The task that listens waits for nothing else, so that pongs and closes are always read; frames of
the client are obeyed by another one, in their order.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final

import structlog
from msgspec import Struct
from starlette.types import Message, Receive, Send

from facilitair_gateway.access import Access, require
from facilitair_gateway.errors import GatewayError, KeyInvalidError
from facilitair_gateway.hub import StreamHub
from facilitair_gateway.inbox import Inbox
from facilitair_gateway.principal import Principal
from facilitair_gateway.routes.allowance import Allowance
from facilitair_gateway.routes.callers import known_id
from facilitair_gateway.routes.socket_frames import (
    Cancel,
    CloseCode,
    Resume,
    Subscribe,
    Unsubscribe,
    ack,
    closing_for,
    content_of,
    frame_of,
    refusal,
)
from facilitair_gateway.routes.socket_outlet import Outlet, State
from facilitair_gateway.socket_errors import FrameUnreadableError, NotSubscribedError
from facilitair_gateway.steering import cancel, resume
from facilitair_gateway.viewer import Viewer
from facilitair_gateway.viewing import Place, Viewing
from facilitair_gateway.wires import SocketWire, Wire

log = structlog.get_logger(__name__)

NO_CURSOR: Final = "none"
"""As ``?cursor=``: nothing is sent until a frame subscribes."""


class SocketLimits(Struct, frozen=True, kw_only=True):
    """What one socket may use; see ``SocketsGroup``."""

    max_subscriptions: int
    frames_per_s: float
    burst_frames: int


class SocketParts(Struct, frozen=True, kw_only=True):
    """What all sockets work with."""

    hub: StreamHub
    viewing: Viewing
    inbox: Inbox
    access: Access
    limits: SocketLimits
    fresh_id: Callable[[], str]


class SocketSession:
    """Serves one socket; ``run`` it once."""

    def __init__(
        self, parts: SocketParts, principal: Principal, *, collaboration: str, send: Send
    ) -> None:
        self._parts = parts
        self._principal = principal
        self._collaboration = collaboration
        self._outlet = Outlet(send)
        self._tasks = asyncio.TaskGroup()
        self._watching: dict[str, asyncio.Task[None]] = {}
        # Whether the end of the path's collaboration is the end of the socket.
        self._only_path = True
        self._frames: asyncio.Queue[str] | None = None
        self._obeying: asyncio.Task[None] | None = None

    async def run(self, receive: Receive, *, cursor: str | None) -> None:
        """Serve until the socket is closed, by whomever."""
        access = self._parts.access
        async with self._tasks:
            access.watch(self._principal, self._dismiss)
            try:
                if cursor != NO_CURSOR:
                    await self._begin(cursor)
                await self._listen(receive)
            finally:
                access.unwatch(self._principal, self._dismiss)
                for task in (*self._watching.values(), self._obeying):
                    if task is not None:
                        task.cancel()

    async def break_off(self) -> None:
        """Close a socket whose ``run`` failed."""
        await self._outlet.close(CloseCode.INTERNAL, "something went wrong here")

    async def _begin(self, cursor: str | None) -> None:
        """Watch the collaboration of the path, or close."""
        try:
            known = await known_id(self._collaboration)
            place = await self._place(known, cursor)
        except GatewayError as error:
            await self._fail(error)
            return
        if place.finished:
            await self._outlet.close(CloseCode.DONE, "nothing follows this cursor")
        else:
            self._watch(known, place, asked=False)

    async def _listen(self, receive: Receive) -> None:
        limits, now = self._parts.limits, asyncio.get_running_loop().time
        allowance = Allowance(per_s=limits.frames_per_s, burst=limits.burst_frames, now=now())
        while (message := await receive())["type"] != "websocket.disconnect":
            if self._outlet.state is State.OPEN:
                await self._take(message, allowed=allowance.take(now()))
        self._outlet.closed()

    async def _take(self, message: Message, *, allowed: bool) -> None:
        """Put a frame of the client into the queue of those to obey; close for one too many."""
        text = message.get("text")
        if text is None:
            await self._outlet.close(CloseCode.POLICY, str(FrameUnreadableError()))
            return
        if self._frames is None:
            # Most sockets only watch, and never need these.
            self._frames = asyncio.Queue(self._parts.limits.burst_frames)
            self._obeying = self._tasks.create_task(self._obey_all(self._frames))
        if not allowed or self._frames.full():
            await self._outlet.close(CloseCode.POLICY, "too many frames")
            return
        self._frames.put_nowait(text)

    async def _obey_all(self, frames: asyncio.Queue[str]) -> None:
        while True:
            await self._obey(await frames.get())

    async def _obey(self, text: str) -> None:
        content: dict[str, Any] = {}
        try:
            content = content_of(text)
            frame = frame_of(content)
            if isinstance(frame, Cancel | Resume):
                await self._steer(frame)
            elif isinstance(frame, Subscribe):
                await self._subscribe(frame)
            else:
                await self._unsubscribe(frame)
        except FrameUnreadableError as error:
            await self._outlet.close(CloseCode.POLICY, str(error))
        except GatewayError as error:
            await self._outlet.send([refusal(error, content)])
        except Exception as error:
            log.exception("frame failed", type=content.get("type"))
            await self._outlet.send([refusal(error, content)])

    async def _steer(self, frame: Cancel | Resume) -> None:
        require(self._principal, "write")
        known = await known_id(frame.collaboration or self._collaboration)
        client_id = frame.client_id or self._parts.fresh_id()
        inbox, principal = self._parts.inbox, self._principal
        if isinstance(frame, Resume):
            kind = "resume"
            answer = await resume(
                inbox,
                principal,
                collaboration=known,
                client_id=client_id,
                budget_usd=frame.budget_usd,
            )
        else:
            kind = "cancel"
            answer = await cancel(
                inbox,
                principal,
                collaboration=known,
                client_id=client_id,
                reason=frame.reason,
            )
        outcome = "queued" if answer is None else answer.outcome
        status = None if answer is None else answer.status
        told = ack(kind, known, outcome=outcome, client_id=client_id, status=status)
        await self._outlet.send([told])

    async def _subscribe(self, frame: Subscribe) -> None:
        known = await known_id(frame.collaboration)
        place = await self._place(known, frame.cursor)
        await self._forget(known)
        if len(self._watching) >= self._parts.limits.max_subscriptions:
            most = self._parts.limits.max_subscriptions
            reason = f"a socket watches at most {most} collaborations"
            await self._outlet.close(CloseCode.TOO_MANY_SUBSCRIPTIONS, reason)
            return
        self._only_path = self._only_path and known == self._collaboration
        if place.finished:
            await self._outlet.send([ack("subscribe", known, outcome="finished")])
        else:
            self._watch(known, place, asked=True)

    async def _unsubscribe(self, frame: Unsubscribe) -> None:
        if not await self._forget(frame.collaboration):
            raise NotSubscribedError
        told = ack("unsubscribe", frame.collaboration, outcome="unsubscribed")
        await self._outlet.send([told])

    async def _place(self, collaboration: str, cursor: str | None) -> Place:
        return await self._parts.viewing.place(self._principal, collaboration, cursor=cursor)

    async def _forget(self, collaboration: str) -> bool:
        """Stop watching; whether there was anything to stop. No frame of it follows."""
        task = self._watching.pop(collaboration, None)
        if task is None:
            return False
        task.cancel()
        await asyncio.wait([task])
        return True

    def _watch(self, collaboration: str, place: Place, *, asked: bool) -> None:
        view = self._view(collaboration, place, asked=asked)
        self._watching[collaboration] = self._tasks.create_task(view)

    async def _view(self, collaboration: str, place: Place, *, asked: bool) -> None:
        """Send the events of one collaboration until there are no more, then what that means."""
        hub = self._parts.hub
        viewer = hub.join(place.key, place.cursor, witnessed=place.witnessed)
        viewer.wrote_at = math.inf  # the server's pings are this wire's heartbeat
        try:
            while viewer.witness is not None and viewer.fault is None:
                await viewer.wait()
            if viewer.fault is None:
                if asked:
                    await self._outlet.send([ack("subscribe", collaboration, outcome="subscribed")])
                await self._show(viewer, SocketWire(collaboration))
        finally:
            hub.leave(viewer)
            if self._watching.get(collaboration) is asyncio.current_task():
                del self._watching[collaboration]
        await self._ended(viewer, collaboration, asked=asked)

    async def _show(self, viewer: Viewer, wire: Wire) -> None:
        hub = self._parts.hub
        while self._outlet.state is State.OPEN:
            frames = hub.take_frames(viewer, wire)
            if frames:
                await self._outlet.send(frames)
                await asyncio.sleep(0)  # who has much to read lets the others have their turn
            elif viewer.ended or hub.draining:
                return
            else:
                await viewer.wait()

    async def _ended(self, viewer: Viewer, collaboration: str, *, asked: bool) -> None:
        if viewer.fault is not None and not viewer.ended:
            if asked:
                about = {"type": "subscribe", "collaboration": collaboration}
                await self._outlet.send([refusal(viewer.fault, about)])
            else:
                await self._fail(viewer.fault)
        elif not viewer.ended:
            await self._outlet.close(CloseCode.RESTART, "this gateway stops; come back")
        elif self._only_path and viewer.cut_off:
            await self._outlet.close(CloseCode.TRY_AGAIN, "read on from the cursor of the gap")
        elif self._only_path:
            await self._outlet.close(CloseCode.DONE)

    async def _fail(self, error: GatewayError) -> None:
        await self._outlet.send([refusal(error, {"collaboration": self._collaboration})])
        await self._outlet.close(closing_for(error), str(error))

    def _dismiss(self) -> None:
        """The key that admitted this socket works no more."""
        self._tasks.create_task(self._fail(KeyInvalidError()))
