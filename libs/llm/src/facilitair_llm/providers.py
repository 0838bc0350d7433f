"""The port through which models are called, and its OpenAI-chat adapter."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

import aiohttp

from facilitair_llm.calls import ChatRequest, Chunk
from facilitair_llm.errors import ProviderError
from facilitair_llm.http_stream import EventReader, Timeouts, open_stream
from facilitair_llm.openai_wire import ChatStreamDecoder, OutputLimitField, encode_request
from facilitair_llm.sse import Event

__all__ = [
    "ChatModel",
    "ExtraHeaders",
    "OpenAIChat",
    "Timeouts",
    "build_session",
    "no_extra_headers",
    "simulator_headers",
]

ExtraHeaders = Callable[[str, str], Mapping[str, str]]
"""Called with call id and tenant once per request; its headers are added to the request."""


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


def build_session() -> aiohttp.ClientSession:
    """Return a session fit for streams, to be closed by the caller.

    Calls in flight are limited by the worker, so the pool has no limit that they could wait for.
    Cookies are not kept: tenants share the session.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class OpenAIChat:
    """The OpenAI-chat dialect: OpenAI, Groq, OpenRouter, vLLM, Ollama's `/v1`, the simulator.

    `base_url` is what comes before `/chat/completions`, such as `https://api.openai.com/v1`.
    The session stays the caller's (`build_session`).
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: str | None,
        timeouts: Timeouts,
        extra_headers: ExtraHeaders = no_extra_headers,
        output_limit_field: OutputLimitField = "max_tokens",
    ) -> None:
        self._session = session
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._api_key = api_key
        self._timeouts = timeouts
        self._extra_headers = extra_headers
        self._output_limit_field: OutputLimitField = output_limit_field

    async def stream(
        self, request: ChatRequest, *, call_id: str, tenant: str
    ) -> AsyncGenerator[Chunk, None]:
        """See `ChatModel.stream`."""
        async with open_stream(
            self._session,
            url=self._url,
            headers=self._headers(call_id=call_id, tenant=tenant),
            body=encode_request(request, output_limit_field=self._output_limit_field),
            timeouts=self._timeouts,
        ) as reader:
            decoder = ChatStreamDecoder(
                requested_model=request.model,
                provider_request_id=reader.headers.get("x-request-id"),
            )
            while not decoder.done:
                events = await _read_events(reader, decoder)
                if events is None:
                    break
                for event in events:
                    for chunk in decoder.decode(event):
                        yield chunk
            yield decoder.finish()
            await reader.drain()

    def _headers(self, *, call_id: str, tenant: str) -> dict[str, str]:
        headers = {
            "Accept": "text/event-stream",
            # A compressed stream arrives in blocks, not in tokens.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            **self._extra_headers(call_id, tenant),
        }
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        return headers


async def _read_events(reader: EventReader, decoder: ChatStreamDecoder) -> list[Event] | None:
    """Return the next events; a broken end after a complete answer is only an end.

    The text is whole and paid for then; what may be missing is the usage.
    """
    try:
        return await reader.read()
    except ProviderError:
        if decoder.is_complete:
            return None
        raise
