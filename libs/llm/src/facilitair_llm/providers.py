"""The port through which models are called, and its adapter over HTTP."""

from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from typing import Protocol

import aiohttp
import msgspec
from msgspec import Struct

from facilitair_llm.calls import ChatRequest, Chunk, Finished
from facilitair_llm.dialects import Asked, Dialect, StreamDecoder
from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import Event
from facilitair_llm.http_stream import EventReader, ResponseLimits, Timeouts, open_stream
from facilitair_llm.network import NetworkRules, guarded_sockets
from facilitair_llm.secret import Secret

__all__ = [
    "ChatModel",
    "ExtraHeaders",
    "Heard",
    "HttpChat",
    "KeyOf",
    "NetworkRules",
    "ResponseLimits",
    "Timeouts",
    "build_session",
    "no_extra_headers",
    "no_key",
    "simulator_headers",
]

MAX_NAME_CHARACTERS = 256
"""Longer names of models and ids of requests, as a provider tells them, are cut."""

ExtraHeaders = Callable[[str, str], Mapping[str, str]]
"""Called with call id and tenant once per request; its headers are added to the request."""


KeyOf = Callable[[str], Secret | None]
"""Called with the tenant once per request: whose key it is made with, None for none.

It raises ProviderError with `sent=False` where there is a key that cannot be used: a request is
never made with another key instead.
"""


Heard = Callable[[str, str, Mapping[str, str]], None]
"""Called with the model, the tenant, and the headers of an answer as it begins; must not raise."""


class ChatModel(Protocol):
    """Something that answers chat requests."""

    def stream(
        self, request: ChatRequest, *, call_id: str, tenant: str
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the answer as it comes; exactly one `Finished`, as the last chunk.

        Makes one request, when the first chunk is asked for, and never repeats it.
        Raises ProviderError, also after chunks were yielded; then there is no `Finished`.
        Cancelling the task or `aclose()` closes the connection before it returns.
        Use `contextlib.aclosing`: a generator that is only dropped is closed some time later.
        """
        ...


def no_extra_headers(_call_id: str, _tenant: str) -> Mapping[str, str]:
    """Tell the provider nothing about us: right for everybody but the simulator."""
    return {}


def simulator_headers(call_id: str, tenant: str) -> Mapping[str, str]:
    """Name the call to the simulator, whose journal records it."""
    return {"X-Facilitair-Call-Id": call_id, "X-Facilitair-Tenant": tenant}


def not_heard(_model: str, _tenant: str, _headers: Mapping[str, str]) -> None:
    """Nobody wants to know."""


def no_key(_tenant: str) -> Secret | None:
    """Send no key: right for servers that know none."""
    return None


def build_session(rules: NetworkRules) -> aiohttp.ClientSession:
    """Return a session fit for streams, to be closed by the caller.

    Every new connection is held to `rules`; no proxy of the environment is used.

    Calls in flight are limited by the worker, so the pool has no limit that they could wait for.
    Cookies are not kept: tenants share the session.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, ttl_dns_cache=60, socket_factory=guarded_sockets(rules)
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class HttpChat:
    """Models of any dialect over HTTP.

    `base_url` is what comes before the dialect's path, such as `https://api.openai.com/v1`.
    `options` are the dialect's own, its defaults where None.
    `key_of` says whose key a request is made with; that key is in no error and no `Finished`.
    `heard` is told the headers of every response as they come.
    The session stays the caller's (`build_session`).
    """

    def __init__(  # noqa: PLR0913 - every collaborator is a parameter
        self,
        *,
        session: aiohttp.ClientSession,
        dialect: Dialect,
        base_url: str,
        key_of: KeyOf,
        timeouts: Timeouts,
        limits: ResponseLimits = ResponseLimits(),  # noqa: B008 - it is frozen
        options: Struct | None = None,
        extra_headers: ExtraHeaders = no_extra_headers,
        heard: Heard = not_heard,
    ) -> None:
        self._session = session
        self._dialect = dialect
        self._url = join_url(base_url, dialect.path)
        self._key_of = key_of
        self._timeouts = timeouts
        self._limits = limits
        self._options = dialect.options() if options is None else options
        self._extra_headers = extra_headers
        self._heard = heard

    async def stream(
        self, request: ChatRequest, *, call_id: str, tenant: str
    ) -> AsyncGenerator[Chunk, None]:
        """See `ChatModel.stream`."""
        dialect, secret = self._dialect, self._key_of(tenant)
        try:
            async with open_stream(
                self._session,
                url=self._url,
                headers=self._headers(secret, call_id=call_id, tenant=tenant),
                body=dialect.encode(request, self._options),
                parser=dialect.build_parser(),
                timeouts=self._timeouts,
                limits=self._limits,
                on_headers=partial(self._heard, request.model, tenant),
            ) as reader:
                decoder = dialect.build_decoder(self._asked(request, reader))
                while not decoder.done:
                    events = await _read_events(reader, decoder)
                    if events is None:
                        break
                    for event in events:
                        for chunk in decoder.decode(event):
                            yield chunk
                yield _told(decoder.finish(), secret)
                await reader.drain()
        except ProviderError as error:
            if secret is not None:
                error.hide(secret)
            raise

    def _asked(self, request: ChatRequest, reader: EventReader) -> Asked:
        named = (reader.headers.get(name) for name in self._dialect.request_id_headers)
        return Asked(
            request=request,
            options=self._options,
            provider_request_id=next(filter(None, named), None),
        )

    def _headers(self, secret: Secret | None, *, call_id: str, tenant: str) -> dict[str, str]:
        return {
            "Accept": "text/event-stream, application/x-ndjson",
            # A compressed stream arrives in blocks, not in tokens.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            **self._extra_headers(call_id, tenant),
            **self._dialect.headers(None if secret is None else secret.reveal()),
        }


def _told(end: Finished, secret: Secret | None) -> Finished:
    """Return the end of an answer with the provider's names cut, and without the key in them.

    They go into records, and a provider may quote there what it was sent.
    """

    def name(text: str) -> str:
        cut = text[:MAX_NAME_CHARACTERS]
        return cut if secret is None else secret.hidden_in(cut)

    ident = end.provider_request_id
    return msgspec.structs.replace(
        end,
        model=name(end.model),
        provider_request_id=None if ident is None else name(ident),
    )


def join_url(base_url: str, path: str) -> str:
    """Return the URL of a dialect's path; a `/v1` that both have stands there once."""
    base = base_url.rstrip("/")
    return base.removesuffix("/v1") + path if path.startswith("/v1/") else base + path


async def _read_events(reader: EventReader, decoder: StreamDecoder) -> list[Event] | None:
    """Return the next events; a broken end after a complete answer is only an end.

    The text is whole and paid for then; what may be missing is the usage.
    """
    try:
        return await reader.read()
    except ProviderError:
        if decoder.is_complete:
            return None
        raise
