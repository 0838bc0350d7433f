"""What a client of a provider saw, the same for every dialect."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing

from msgspec import Struct

from facilitair_llm.calls import (
    ChatRequest,
    Chunk,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from facilitair_llm.errors import ProviderError, ProviderErrorKind
from facilitair_llm.providers import ChatModel


class Seen(Struct, frozen=True, kw_only=True):
    """An answer, or as much of it as came; `pieces` is how many pieces of text there were.

    Tool calls are joined by their index: some dialects send them whole.
    """

    text: str = ""
    pieces: int = 0
    thoughts: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: FinishReason | None = None
    usage: Usage | None = None
    model: str | None = None
    fault: ProviderErrorKind | None = None
    status: int | None = None
    retry_after_s: float | None = None


async def watch(
    model: ChatModel,
    request: ChatRequest,
    *,
    on_chunk: Callable[[Chunk], Awaitable[None]] | None = None,
) -> Seen:
    """Ask, and return what came; nothing but a ProviderError is caught."""
    chunks: list[Chunk] = []
    try:
        async with aclosing(model.stream(request, call_id="call-1", tenant="acme")) as stream:
            async for chunk in stream:
                chunks.append(chunk)
                if on_chunk is not None:
                    await on_chunk(chunk)
    except ProviderError as error:
        return seen(chunks, error=error)
    return seen(chunks)


def seen(chunks: list[Chunk], *, error: ProviderError | None = None) -> Seen:
    """What chunks say, and the error after them."""
    texts = [chunk.text for chunk in chunks if isinstance(chunk, TextDelta)]
    thoughts = [chunk.text for chunk in chunks if isinstance(chunk, ReasoningDelta)]
    end = next((chunk for chunk in chunks if isinstance(chunk, Finished)), None)
    return Seen(
        text="".join(texts),
        pieces=len(texts),
        thoughts="".join(thoughts),
        calls=_join([chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)]),
        finish=None if end is None else end.finish_reason,
        usage=None if end is None else end.usage,
        model=None if end is None else end.model,
        fault=None if error is None else error.kind,
        status=None if error is None else error.status,
        retry_after_s=None if error is None else error.retry_after_s,
    )


def _join(deltas: list[ToolCallDelta]) -> tuple[ToolCall, ...]:
    rows = {place: [d for d in deltas if d.index == place] for place in {d.index for d in deltas}}
    return tuple(
        ToolCall(
            id=next((delta.id for delta in rows[place] if delta.id), ""),
            name=next((delta.name for delta in rows[place] if delta.name), ""),
            arguments="".join(delta.arguments for delta in rows[place]),
        )
        for place in sorted(rows)
    )
