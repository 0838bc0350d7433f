"""The Anthropic-Messages dialect: events of the stream to chunks, and what else makes it."""

from facilitair_llm.anthropic_requests import (
    ANSWER_TOOL,
    AnthropicOptions,
    encode_request,
    json_output,
)
from facilitair_llm.anthropic_text_events import text_of
from facilitair_llm.calls import (
    Chunk,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from facilitair_llm.dialects import Asked, Dialect
from facilitair_llm.documents import (
    JsonObject,
    count,
    field_object,
    field_text,
    load_object,
    malformed,
)
from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import Event
from facilitair_llm.provider_faults import error_from_body
from facilitair_llm.sse import SseParser
from facilitair_llm.tool_arguments import arguments_text

VERSION = "2023-06-01"
FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
COUNTS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "thinking_tokens",
    "ephemeral_1h_input_tokens",
)
DETAILS = {
    "thinking_tokens": "output_tokens_details",
    "ephemeral_1h_input_tokens": "cache_creation",
}
"""Where a count stands that is part of another one."""


class MessagesDecoder:
    """See `StreamDecoder`. Blocks are numbered by the provider, tool calls by their order.

    `answer_tool` says that the answer was asked for as the input of a forced tool: it is text.
    """

    def __init__(
        self, *, requested_model: str, provider_request_id: str | None, answer_tool: bool = False
    ) -> None:
        self._model = requested_model
        self._provider_request_id = provider_request_id
        self._answer_tool = answer_tool
        self._answer_block: int | None = None
        self._finish_reason: FinishReason | None = None
        self._counts: dict[str, int] = {}
        self._output_counted = False
        self._tool_by_block: dict[int, int] = {}
        self.done = False

    @property
    def is_complete(self) -> bool:
        """See `StreamDecoder.is_complete`."""
        return self._finish_reason is not None

    def decode(self, event: Event) -> list[Chunk]:
        """See `StreamDecoder.decode`."""
        if self.done:
            return []
        text = text_of(event)
        if text is not None:
            return [TextDelta(text)] if text else []
        document = load_object(event.data)
        kind = document.get("type")
        if event.name == "error" or kind == "error" or (kind is None and "error" in document):
            raise error_from_body(document.get("error") or document)
        if kind == "content_block_delta":
            return self._take_delta(document)
        if kind == "content_block_start":
            return self._start_block(document)
        if kind == "message_start":
            self._start_message(field_object(document, "message"))
        elif kind == "message_delta":
            self._end_message(document)
        self.done = kind == "message_stop"
        return []

    def finish(self) -> Finished:
        """See `StreamDecoder.finish`."""
        if self._finish_reason is None:
            raise ProviderError(
                kind="truncated", message="the stream ended before the answer was complete"
            )
        reason = self._finish_reason
        if reason in {"stop", "tool_calls"}:
            reason = "tool_calls" if self._tool_by_block else "stop"  # a forced tool is the answer
        return Finished(
            finish_reason=reason,
            usage=self._usage(),
            model=self._model,
            provider_request_id=self._provider_request_id,
        )

    def _start_message(self, message: JsonObject) -> None:
        self._model = field_text(message, "model") or self._model
        if self._provider_request_id is None:
            self._provider_request_id = field_text(message, "id") or None
        self._count(message.get("usage"))

    def _end_message(self, document: JsonObject) -> None:
        """Take the reason and the counts; these are totals so far, so the last ones count."""
        usage = document.get("usage")
        self._count(usage)
        # What the start of a message counts as output is not the answer.
        self._output_counted = self._output_counted or count(usage, "output_tokens") is not None
        reason = field_text(field_object(document, "delta"), "stop_reason")
        if reason:
            self._finish_reason = FINISH_REASONS.get(reason, "other")

    def _start_block(self, document: JsonObject) -> list[Chunk]:
        block = field_object(document, "content_block")
        kind = block.get("type")
        if kind == "text":
            return _texts(field_text(block, "text"))
        if kind == "thinking":
            return _thoughts(field_text(block, "thinking"))
        if kind != "tool_use":
            return []
        name, whole = field_text(block, "name"), arguments_text(block.get("input") or None)
        if whole is None:
            raise malformed(problem="the input of a tool call is not an object")
        place = _place(document)
        if self._answer_tool and name == ANSWER_TOOL:
            self._answer_block = place
            return _texts(whole)
        identity = field_text(block, "id")
        return [ToolCallDelta(self._tool(place), identity or None, name or None, whole)]

    def _take_delta(self, document: JsonObject) -> list[Chunk]:
        delta = field_object(document, "delta")
        kind = delta.get("type")
        if kind == "text_delta":
            return _texts(field_text(delta, "text"))
        if kind == "thinking_delta":
            return _thoughts(field_text(delta, "thinking"))
        if kind != "input_json_delta":
            return []
        part, place = field_text(delta, "partial_json"), _place(document)
        if self._answer_block == place:
            return _texts(part)
        return [ToolCallDelta(self._tool(place), None, None, part)] if part else []

    def _tool(self, place: int) -> int:
        return self._tool_by_block.setdefault(place, len(self._tool_by_block))

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        for name in COUNTS:
            found = count(usage.get(DETAILS[name]) if name in DETAILS else usage, name)
            if found is not None:
                self._counts[name] = found

    def _usage(self) -> Usage | None:
        """Return the counts, or None where one is missing (unknown is not zero).

        The provider counts what it read from its cache, and what it wrote there, beside the input.
        """
        if not self._output_counted or "input_tokens" not in self._counts:
            return None
        cached = self._counts.get("cache_read_input_tokens", 0)
        written = self._counts.get("cache_creation_input_tokens", 0)
        output_tokens = self._counts["output_tokens"]
        return Usage(
            input_tokens=self._counts["input_tokens"] + cached + written,
            output_tokens=output_tokens,
            cached_input_tokens=cached,
            cache_write_tokens=written,
            cache_write_1h_tokens=min(self._counts.get("ephemeral_1h_input_tokens", 0), written),
            reasoning_tokens=min(self._counts.get("thinking_tokens", 0), output_tokens),
        )


def _place(document: JsonObject) -> int:
    place = count(document, "index")
    if place is None:
        raise malformed(problem="a content block has no index")
    return place


def _texts(text: str) -> list[Chunk]:
    return [TextDelta(text)] if text else []


def _thoughts(text: str) -> list[Chunk]:
    return [ReasoningDelta(text)] if text else []


def _build_decoder(asked: Asked) -> MessagesDecoder:
    return MessagesDecoder(
        requested_model=asked.request.model,
        provider_request_id=asked.provider_request_id,
        answer_tool=json_output(asked.request, asked.options) == "tool",
    )


def _headers(api_key: str | None) -> dict[str, str]:
    key = {} if api_key is None else {"x-api-key": api_key}
    return {"anthropic-version": VERSION, **key}


ANTHROPIC_MESSAGES = Dialect(
    name="anthropic-messages",
    path="/v1/messages",
    options=AnthropicOptions,
    encode=encode_request,
    headers=_headers,
    build_parser=SseParser,
    build_decoder=_build_decoder,
    request_id_headers=("request-id", "x-request-id"),
)
"""Anthropic, and servers that speak its Messages protocol."""
