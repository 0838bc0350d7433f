"""One call of a model: chunks out, text and usage back, stopped within one chunk."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from decimal import Decimal

from msgspec import Struct

from facilitair_agent_worker.domain import check_finish, fault_of
from facilitair_events.requests import Fault, Usage
from facilitair_llm.calls import ChatRequest, Finished, TextDelta
from facilitair_llm.errors import ProviderError
from facilitair_llm.providers import ChatModel
from facilitair_messaging.crash_points import crash_point


class Answer(Struct, frozen=True, kw_only=True):
    """What came of a request. ``fault`` is None for a complete answer with a natural end.

    ``usage`` is None where the provider did not get to say what was used.
    ``cost_usd`` is what the provider says that it charged; None where it says nothing.
    ``free`` says that it was not asked or declined, so that nothing was used (R17).
    ``trouble`` is None where the model came to an end of its own. It is the kind of the provider's
    error, or ``stopped``, ``deadline`` or ``too_long`` where it was us who ended the call.
    """

    text: str
    fault: Fault | None
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    free: bool = False
    trouble: str | None = None


class Caller:
    """Makes one call; ``stop`` ends it at the chunk that is on its way."""

    def __init__(
        self, *, model: ChatModel, on_text: Callable[[str], None], max_output_bytes: int
    ) -> None:
        self._model = model
        self._on_text = on_text
        self._max_output_bytes = max_output_bytes
        self._scope: asyncio.Timeout | None = None
        self._stopped: str | None = None

    def stop(self, reason: str) -> None:
        """End the call now, before it was made or while it runs."""
        self._stopped = reason
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def call(
        self, request: ChatRequest, *, call_id: str, tenant: str, timeout_s: float
    ) -> Answer:
        """Make the request and never repeat it."""
        texts: list[str] = []
        try:
            async with asyncio.timeout(timeout_s) as self._scope:
                if self._stopped is not None:
                    return _never(self._stopped)
                return await self._read(request, texts, call_id=call_id, tenant=tenant)
        except ProviderError as error:
            free = error.declined and not texts
            return Answer(text="".join(texts), fault=fault_of(error), free=free, trouble=error.kind)
        except TimeoutError:
            text = "".join(texts)
            if self._stopped is not None:
                return Answer(text=text, fault=_stopped(self._stopped), trouble="stopped")
            return Answer(text=text, fault=_timeout(timeout_s), trouble="deadline")

    async def _read(
        self, request: ChatRequest, texts: list[str], *, call_id: str, tenant: str
    ) -> Answer:
        size = 0
        crash_point("before_request")
        async with aclosing(self._model.stream(request, call_id=call_id, tenant=tenant)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextDelta):
                    size += len(chunk.text.encode())
                    if size > self._max_output_bytes:
                        fault = _too_long(self._max_output_bytes)
                        return Answer(text="".join(texts), fault=fault, trouble="too_long")
                    texts.append(chunk.text)
                    self._on_text(chunk.text)
                    if len(texts) == 1:
                        crash_point("first_token")
                elif isinstance(chunk, Finished):
                    return _finished("".join(texts), chunk)
        fault = Fault(code="truncated", message="the stream ended without an end", retryable=True)
        return Answer(text="".join(texts), fault=fault, trouble="truncated")


def _finished(text: str, end: Finished) -> Answer:
    return Answer(
        text=text,
        fault=check_finish(end.finish_reason),
        model=end.model,
        finish_reason=end.finish_reason,
        usage=end.usage,
        cost_usd=end.cost_usd,
    )


def _never(reason: str) -> Answer:
    return Answer(text="", fault=_stopped(reason), free=True, trouble="stopped")


def _stopped(reason: str) -> Fault:
    return Fault(code="stopped", message=f"stopped: {reason}")


def _timeout(timeout_s: float) -> Fault:
    return Fault(code="timeout", message=f"no answer within {timeout_s:g} s", retryable=True)


def _too_long(limit: int) -> Fault:
    return Fault(code="output_too_large", message=f"the answer is over {limit} bytes")
