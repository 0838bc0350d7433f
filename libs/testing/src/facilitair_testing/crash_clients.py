"""A client that lives through a crash: it asks again with its key, and watches on where it was."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import aiohttp

from facilitair_testing.chaos.frames import TERMINAL, Frames, Shown
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.history.types import Frame

TENANT: Final = "local"
_REQUEST: Final = aiohttp.ClientTimeout(total=20)
_STREAM: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
_PAUSE_S: Final = 0.05
_LOST: Final = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
_START: Final = "start"


class ClientRefusedError(Exception):
    """The system said no to what it had to do."""

    def __init__(self, *, op: str, status: int, told: str) -> None:
        super().__init__(f"{op} was answered with {status}: {told}")


def open_session() -> aiohttp.ClientSession:
    """Connections of a program of this machine, which needs no key; each request has its own."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))


class CrashClient:
    """Asks for one collaboration and watches it to its end. ``url`` is asked before each request.

    Everything is written to the journal as it happens. ``ident`` is known once it was accepted.
    """

    def __init__(
        self,
        name: str,
        *,
        task: str,
        workflow: str,
        url: Callable[[], str],
        session: aiohttp.ClientSession,
        journal: ClientJournal,
    ) -> None:
        self.ident = ""
        self._name = name
        self._body = {"task": task, "workflow": workflow}
        self._url = url
        self._session = session
        self._journal = journal
        self._shown = Shown()
        self._cursor = _START

    async def submit(self) -> None:
        """Ask until it is accepted. Raises ClientRefusedError."""
        # No event tells when a server is back; each turn is a request of its own.
        while not await self._submitted():  # noqa: ASYNC110 - as above
            await asyncio.sleep(_PAUSE_S)

    async def stand(self) -> None:
        """Ask how the account stands until somebody says it. Raises ClientRefusedError."""
        while await self._account() is None:  # noqa: ASYNC110 - as in ``submit``
            await asyncio.sleep(_PAUSE_S)

    async def watch(self) -> str:
        """Watch until the end; returns the terminal event. Raises ClientRefusedError."""
        while (ended := await self._watched()) is None:  # noqa: ASYNC110 - as in ``submit``
            await asyncio.sleep(_PAUSE_S)
        return ended

    async def _submitted(self) -> bool:
        operation = self._journal.invoke(
            "submit", client=self._name, tenant=TENANT, key=self._name, body=self._body["task"]
        )
        try:
            async with self._session.post(
                f"{self._url()}/v1/collaborations",
                json=self._body,
                headers={"idempotency-key": self._name},
                timeout=_REQUEST,
            ) as got:
                answer = await got.json()
        except _LOST:
            self._journal.info(operation)
            return False
        if got.status == HTTPStatus.ACCEPTED:
            self.ident, self._cursor = answer["id"], answer["cursor"]
            self._journal.ok(
                operation, status=got.status, collaboration=self.ident, cursor=self._cursor
            )
            return True
        self._refused("submit", operation, status=got.status, told=str(answer))
        return False

    async def settle(self) -> None:
        """Wait until its account has closed everything. Raises ClientRefusedError."""
        while await self._account() != 0:  # noqa: ASYNC110 - as in ``submit``
            await asyncio.sleep(_PAUSE_S)

    async def _account(self) -> int | None:
        """How many collaborations the account holds open; None when nobody says."""
        try:
            async with self._session.get(f"{self._url()}/v1/budget", timeout=_REQUEST) as got:
                answer = await got.json()
        except _LOST:
            return None
        if HTTPStatus.BAD_REQUEST <= got.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ClientRefusedError(op="budget", status=got.status, told=str(answer))
        return int(answer["open_collaborations"]) if got.status == HTTPStatus.OK else None

    async def _watched(self) -> str | None:
        """One connection, from where the last one was; the terminal event if it was shown."""
        operation = self._journal.invoke(
            "watch", client=self._name, tenant=TENANT, collaboration=self.ident
        )
        seen: list[Frame] = []
        headers = {} if self._cursor == _START else {"last-event-id": self._cursor}
        url = f"{self._url()}/v1/collaborations/{self.ident}/stream"
        try:
            async with self._session.get(url, headers=headers, timeout=_STREAM) as got:
                if got.status != HTTPStatus.OK:
                    told = await got.text()
                    self._refused("watch", operation, status=got.status, told=told)
                    return None
                frames = Frames()
                async for data in got.content.iter_any():
                    self._show(frames.feed(data), seen)
        except _LOST:
            self._journal.info(operation, frames=seen)
        else:
            self._journal.ok(operation, status=got.status, frames=seen)
        return next((frame.event for frame in seen if frame.event in TERMINAL), None)

    def _show(self, frames: list[Frame], seen: list[Frame]) -> None:
        for frame in frames:
            self._cursor = frame.id or self._cursor
            if self._shown.admit(frame):
                seen.append(frame)

    def _refused(self, op: str, operation: str, *, status: int, told: str) -> None:
        """Write down a no; raises ClientRefusedError where asking again would change nothing."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._journal.info(operation, status=status)
            return
        self._journal.fail(operation, status=status)
        raise ClientRefusedError(op=op, status=status, told=told)
