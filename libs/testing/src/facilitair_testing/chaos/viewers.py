"""One client of a load: asks, watches, drops its connection, cancels; writes down all of it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from random import Random  # noqa: TID251 - seeded
from typing import Any, Final

import aiohttp

from facilitair_testing.chaos.frames import TERMINAL, Frames, Shown
from facilitair_testing.chaos.loads import WORKFLOW, Asked
from facilitair_testing.chaos.recovery import Pulse
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.history.types import Frame, Op

_REQUEST: Final = aiohttp.ClientTimeout(total=8)
_STREAM: Final = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=6)
"""Three heartbeats of the gateways of a run."""

_PAUSE_S: Final = (0.1, 0.8)
_LOST: Final = (aiohttp.ClientError, TimeoutError, OSError)
_START: Final = "start"


class RefusedError(Exception):
    """The system said no to what it had to do."""

    def __init__(self, *, op: str, status: int, told: str) -> None:
        super().__init__(f"{op} was answered with {status}: {told}")


class Viewer:
    """The client of one collaboration; ``session`` carries its key, ``urls`` are all gateways.

    ``ident`` is known once it was accepted, ``ended`` names the terminal event it saw.
    """

    def __init__(
        self,
        asked: Asked,
        *,
        urls: Sequence[str],
        session: aiohttp.ClientSession,
        journal: ClientJournal,
        pulse: Pulse,
        chance: Random,
    ) -> None:
        self.asked = asked
        self.ident: str | None = None
        self.ended: str | None = None
        self._urls = urls
        self._session = session
        self._journal = journal
        self._pulse = pulse
        self._chance = chance
        self._shown = Shown()
        self._count = 0
        self._cursor: str | None = None
        self._cancelling: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Who it is in the journal."""
        return f"viewer-{self.asked.number}"

    async def run(self) -> None:
        """Until the end was seen. Raises RefusedError; is cancelled by whoever gives up."""
        try:
            async with asyncio.TaskGroup() as group:
                if self.asked.twice:
                    group.create_task(self._submit())
                group.create_task(self._submit())
            self._pulse.begins(self.name)
            while self.ended is None:
                await self._watch()
            self._pulse.ends(self.name)
        finally:
            if self._cancelling is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._cancelling, 0 if self.ended is None else 60)

    async def status(self) -> str | None:
        """What the system says that it is doing; None when it did not answer."""
        status, answer = await self._ask("describe", "GET", f"/v1/collaborations/{self.ident}")
        return answer.get("status") if status == HTTPStatus.OK else None

    async def _submit(self) -> None:
        body = {"task": self.asked.task, "workflow": WORKFLOW}
        while True:
            status, answer = await self._ask(
                "submit",
                "POST",
                "/v1/collaborations",
                json=body,
                headers={"idempotency-key": self.asked.key},
            )
            if status == HTTPStatus.ACCEPTED:
                self.ident, self._cursor = answer["id"], answer["cursor"]
                return
            await self._again("submit", status, answer=answer)

    async def _cancel(self) -> None:
        body = {"action": "cancel", "client_id": f"stop-{self.asked.key}"}
        while True:
            status, answer = await self._ask(
                "cancel", "POST", f"/v1/collaborations/{self.ident}/control", json=body
            )
            if status is not None and (status < HTTPStatus.MULTIPLE_CHOICES):
                return
            if status in {HTTPStatus.CONFLICT, HTTPStatus.GONE}:
                return  # it had ended
            await self._again("cancel", status, answer=answer)

    async def _again(self, op: str, status: int | None, *, answer: dict[str, Any]) -> None:
        """Wait before the next try. Raises RefusedError where asking again changes nothing."""
        if status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RefusedError(op=op, status=status, told=str(answer))
        await asyncio.sleep(self._chance.uniform(*_PAUSE_S))

    async def _ask(  # noqa: PLR0917 - what is asked, how, where
        self, op: Op, method: str, path: str, **more: Any
    ) -> tuple[int | None, dict[str, Any]]:
        """Ask some gateway once, written down; no status when nobody knows what happened."""
        operation = self._journal.invoke(
            op,
            client=self.name,
            tenant=self.asked.tenant,
            key=self.asked.key if op == "submit" else None,
            collaboration=self.ident,
            body=self.asked.task if op == "submit" else None,
        )
        try:
            async with self._session.request(
                method, self._chance.choice(self._urls) + path, timeout=_REQUEST, **more
            ) as got:
                answer = await got.json()
        except (*_LOST, ValueError):
            self._journal.info(operation)
            return None, {}
        status = got.status
        if status < HTTPStatus.MULTIPLE_CHOICES:
            self._journal.ok(
                operation,
                status=status,
                collaboration=answer.get("id"),
                cursor=answer.get("cursor"),
            )
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._journal.fail(operation, status=status)
        else:
            self._journal.info(operation, status=status)
        return status, answer

    async def _watch(self) -> None:
        """One connection to one gateway, from where the last one was."""
        operation = self._journal.invoke(
            "watch", client=self.name, tenant=self.asked.tenant, collaboration=self.ident
        )
        seen: list[Frame] = []
        headers = {"last-event-id": self._cursor} if self._cursor not in {None, _START} else {}
        url = f"{self._chance.choice(self._urls)}/v1/collaborations/{self.ident}/stream"
        try:
            async with self._session.get(url, headers=headers, timeout=_STREAM) as got:
                if got.status >= HTTPStatus.BAD_REQUEST:
                    await self._no_stream(operation, got)
                    return
                frames = Frames()
                async for data in got.content.iter_any():
                    if not self._take(frames.feed(data), seen):
                        break
        except _LOST:
            self._journal.info(operation, frames=seen)
            await asyncio.sleep(self._chance.uniform(*_PAUSE_S))
        except asyncio.CancelledError:
            self._journal.info(operation, frames=seen)
            raise
        else:
            self._journal.ok(operation, status=got.status, frames=seen)

    async def _no_stream(self, operation: str, got: aiohttp.ClientResponse) -> None:
        told = await got.text()
        if got.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._journal.info(operation, status=got.status)
            await asyncio.sleep(self._chance.uniform(*_PAUSE_S))
            return
        self._journal.fail(operation, status=got.status)
        raise RefusedError(op="watch", status=got.status, told=told)

    def _take(self, frames: list[Frame], seen: list[Frame]) -> bool:
        """Show what is new; False when this connection is over for us."""
        for frame in frames:
            self._cursor = frame.id or self._cursor
            if not self._shown.admit(frame):
                continue
            seen.append(frame)
            self._count += 1
            if frame.seq is not None:
                # Tokens flow on while nobody decides: what counts is the next numbered event.
                self._pulse.beats(self.name)
            if self._count == self.asked.cancel_after:
                self._cancelling = asyncio.create_task(self._cancel())
            if frame.event in TERMINAL:
                self.ended = frame.event
                return False
            if self._count in self.asked.drop_after:
                return False
        return True
