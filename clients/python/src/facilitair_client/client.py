"""The client: one method for each thing the API does for a collaboration."""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from facilitair_client.administration import Administration
from facilitair_client.backoff import Patience
from facilitair_client.dead_letters import DeadLetters
from facilitair_client.errors import ApiError
from facilitair_client.estimates import Estimate
from facilitair_client.events import Event
from facilitair_client.money import Money
from facilitair_client.paging import rows_of
from facilitair_client.providers import Providers
from facilitair_client.requesting import api_error, decoded, request
from facilitair_client.results import Agent, Collaboration, Cost, Submitted, Workflow
from facilitair_client.seen import Seen
from facilitair_client.sockets import open_socket
from facilitair_client.streaming import Batch, Waiting, batches_of, follow, nothing

T = TypeVar("T")

_SILENCE_S: Final = 45.0
"""Three heartbeats of the server; a stream that is silent for longer is dead."""

_REQUEST_TIMEOUT: Final = httpx.Timeout(10.0)
_STREAM_TIMEOUT: Final = httpx.Timeout(10.0, read=_SILENCE_S)
_REQUEST_PATIENCE: Final = Patience(give_up_after_s=15.0)


class Facilitair:
    """Talks to one gateway; use it as an async context manager, or ``aclose`` it.

    ``patience`` is for streams, ``request_patience`` for everything else.
    Every method raises ApiError for what the server refuses, ConnectionLostError when it cannot be
    reached in time, and ProtocolError when its answer cannot be read.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        patience: Patience | None = None,
        request_patience: Patience = _REQUEST_PATIENCE,
        transport: httpx.AsyncBaseTransport | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._credentials = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._patience = patience or Patience()
        self._request_patience = request_patience
        self._waiting = waiting or Waiting()
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=self._credentials,
            timeout=_REQUEST_TIMEOUT,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def submit(
        self,
        task: str,
        *,
        workflow: str,
        inputs: Mapping[str, Any] | None = None,
        models: Mapping[str, str] | None = None,
        budget: Decimal | str | None = None,
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Ask for a collaboration; ``budget`` is the most that it may cost, in USD.

        It is sent again after a lost answer, with the same key, so it is asked for at most once.
        The same ``idempotency_key`` with the same arguments gives the same collaboration later too.
        """
        body: dict[str, Any] = {"task": task, "workflow": workflow}
        body |= {"inputs": dict(inputs)} if inputs else {}
        body |= {"models": dict(models)} if models else {}
        body |= {} if budget is None else {"budget": _usd(budget)}
        headers = {"idempotency-key": idempotency_key or secrets.token_hex(16)}
        return decoded(
            await self._request("POST", "/v1/collaborations", json=body, headers=headers), Submitted
        )

    async def get(self, collaboration: str) -> Collaboration:
        """What a collaboration is doing."""
        return decoded(await self._request("GET", _path(collaboration)), Collaboration)

    async def cost(self, collaboration: str) -> Cost:
        """What a collaboration cost so far."""
        return decoded(await self._request("GET", f"{_path(collaboration)}/cost"), Cost)

    async def cancel(self, collaboration: str, reason: str | None = None) -> None:
        """Ask to end a collaboration; its end is told by the stream."""
        body: dict[str, Any] = {"action": "cancel", "client_id": secrets.token_hex(16)}
        body |= {"reason": reason} if reason else {}
        await self._request("POST", f"{_path(collaboration)}/control", json=body)

    async def resume(
        self,
        collaboration: str,
        budget: Decimal | str | None = None,
        *,
        client_id: str | None = None,
    ) -> None:
        """Ask one that was paused to go on, with another budget of its own where one is given.

        Again with the same ``client_id`` changes nothing.
        Raises ApiError 409 for one that is not paused.
        """
        body: dict[str, Any] = {
            "action": "resume",
            "client_id": client_id or secrets.token_hex(16),
        }
        body |= {} if budget is None else {"budget": _usd(budget)}
        await self._request("POST", f"{_path(collaboration)}/control", json=body)

    async def estimate(
        self,
        task: str,
        *,
        workflow: str,
        inputs: Mapping[str, Any] | None = None,
        models: Mapping[str, str] | None = None,
    ) -> Estimate:
        """What a collaboration would use and cost, step by step; nothing is run."""
        body: dict[str, Any] = {"task": task, "workflow": workflow}
        body |= {"inputs": dict(inputs)} if inputs else {}
        body |= {"models": dict(models)} if models else {}
        return decoded(await self._request("POST", "/v1/estimates", json=body), Estimate)

    async def events(self, collaboration: str) -> list[Event]:
        """The public record so far, in order. Raises ApiError 410 once it has expired."""
        rows = await self._all(f"{_path(collaboration)}/events", _EventRow)
        return [Event(id=row.id, kind=row.kind, data=row.data) for row in rows]

    async def workflows(self) -> list[Workflow]:
        """The workflows that can be run."""
        return await self._all("/v1/workflows", Workflow)

    async def agents(self) -> list[Agent]:
        """The agents that workflows use."""
        return await self._all("/v1/agents", Agent)

    async def models(self) -> list[dict[str, Any]]:
        """The models that agents may be run on."""
        return await self._all("/v1/models", dict[str, Any])

    async def model(self, name: str) -> dict[str, Any]:
        """One model, such as ``ollama/llama3.2``; also one that nobody lists and that may be named.

        Raises ApiError where there is none.
        """
        path = f"/v1/models/{quote(name, safe='')}"
        return decoded(await self._request("GET", path), dict[str, Any])

    @property
    def admin(self) -> Administration:
        """Tenants and keys."""
        return Administration(self._http, patience=self._request_patience)

    @property
    def money(self) -> Money:
        """Budgets, usage and entries."""
        return Money(self._http, patience=self._request_patience)

    @property
    def providers(self) -> Providers:
        """The providers that are set up, and the tenant's own keys for them."""
        return Providers(self._http, patience=self._request_patience)

    @property
    def dead_letters(self) -> DeadLetters:
        """Records that could not be handled."""
        return DeadLetters(self._http, patience=self._request_patience)

    async def topics(self) -> list[dict[str, Any]]:
        """The topics of the log, with the lag of each group. Needs the scope ``admin``."""
        return await self._all("/v1/admin/topics", dict[str, Any])

    async def apply_topics(self) -> dict[str, Any]:
        """Create the topics that are missing. Needs the scope ``admin``."""
        return decoded(await self._request("POST", "/v1/admin/topics"), dict[str, Any])

    def stream(
        self,
        collaboration: str,
        cursor: str | None = None,
        *,
        seen: Seen | None = None,
        ws: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """Every event of a collaboration once, in order, up to its terminal event.

        It connects again by itself after a drop and reads on where it was.
        ``cursor`` is the id of an event (read on after it) or a submit's; null is the beginning.
        ``seen`` is what an earlier stream of the same collaboration has given already.
        With ``ws`` the events come over WebSocket; they are the same.
        It ends without any event where ``cursor`` is from after the terminal one.
        Raises EventsMissingError when the server cannot give all events any more.
        """
        path = _path(collaboration)

        def connect(position: str | None) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
            if ws:
                return open_socket(f"{self.url}{path}/ws", position, headers=self._credentials)
            return self._open(f"{path}/stream", position)

        return follow(
            connect,
            url=self.url,
            cursor=cursor,
            seen=seen or Seen(),
            patience=self._patience,
            waiting=self._waiting,
        )

    @asynccontextmanager
    async def _open(self, path: str, cursor: str | None) -> AsyncIterator[AsyncIterator[Batch]]:
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        headers |= {"last-event-id": cursor} if cursor else {}
        async with self._http.stream("GET", path, headers=headers, timeout=_STREAM_TIMEOUT) as got:
            if not got.is_success:
                raise api_error(got.status_code, await got.aread(), headers=got.headers)
            if got.status_code == HTTPStatus.NO_CONTENT:
                yield nothing()
                return
            kind = got.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                reason = f"expected a stream, got {kind or 'no content type'}"
                raise ApiError(status=got.status_code, code="not_a_stream", detail=reason)
            yield batches_of(got.aiter_raw())

    async def _request(self, method: str, path: str, **more: Any) -> bytes:
        return await request(self._http, method, path, patience=self._request_patience, **more)

    async def _all(self, path: str, row: type[T]) -> list[T]:
        """The rows of all pages."""
        return await rows_of(lambda params: self._request("GET", path, params=params), row)


class _EventRow(msgspec.Struct, frozen=True):
    id: str
    kind: str
    data: dict[str, Any]


def _usd(amount: Decimal | str) -> str:
    return f"{amount:f}" if isinstance(amount, Decimal) else amount


def _path(collaboration: str) -> str:
    return f"/v1/collaborations/{quote(collaboration, safe='')}"
