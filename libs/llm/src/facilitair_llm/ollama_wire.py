"""Ollama's own dialect: lines of the stream to chunks, and what else makes the dialect."""

from facilitair_llm.calls import (
    Chunk,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from facilitair_llm.dialects import Asked, Dialect, bearer
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
from facilitair_llm.json_lines import LineParser
from facilitair_llm.ollama_requests import OllamaOptions, encode_request
from facilitair_llm.ollama_text_events import TextLine, text_line
from facilitair_llm.provider_faults import error_from_body
from facilitair_llm.tool_arguments import arguments_text

FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class ChatLinesDecoder:
    """See `StreamDecoder`. The line with `done` is the last one, with the reason and the counts."""

    def __init__(self, *, requested_model: str, provider_request_id: str | None) -> None:
        self._model = requested_model
        self._provider_request_id = provider_request_id
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._tools: set[int] = set()
        self.done = False

    @property
    def is_complete(self) -> bool:
        """See `StreamDecoder.is_complete`."""
        return self._finish_reason is not None

    def decode(self, event: Event) -> list[Chunk]:
        """See `StreamDecoder.decode`."""
        if self.done:
            return []
        line = text_line(event)
        if line is not None:
            return self._take(line)
        document = load_object(event.data)
        if document.get("error"):
            raise error_from_body(document["error"])
        self._model = field_text(document, "model") or self._model
        chunks = self._decode_message(field_object(document, "message"))
        if document.get("done") is True:
            self.done = True
            # Servers from before there were reasons stopped where the model did.
            reason = field_text(document, "done_reason") or "stop"
            self._finish_reason = FINISH_REASONS.get(reason, "other")
            self._usage = _decode_usage(document)
        return chunks

    def finish(self) -> Finished:
        """See `StreamDecoder.finish`."""
        if self._finish_reason is None:
            raise ProviderError(
                kind="truncated", message="the stream ended before the answer was complete"
            )
        called = self._finish_reason == "stop" and self._tools
        return Finished(
            finish_reason="tool_calls" if called else self._finish_reason,
            usage=self._usage,
            model=self._model,
            provider_request_id=self._provider_request_id,
        )

    def _take(self, line: TextLine) -> list[Chunk]:
        self._model = line.model or self._model
        return [TextDelta(line.message.content)] if line.message.content else []

    def _decode_message(self, message: JsonObject) -> list[Chunk]:
        chunks: list[Chunk] = []
        thinking, text = field_text(message, "thinking"), field_text(message, "content")
        if thinking:
            chunks.append(ReasoningDelta(thinking))
        if text:
            chunks.append(TextDelta(text))
        calls = message.get("tool_calls") or []
        if not isinstance(calls, list):
            raise malformed(problem="message.tool_calls is not a list")
        return [*chunks, *map(self._decode_tool_call, calls)]

    def _decode_tool_call(self, call: object) -> ToolCallDelta:
        """Return a call, which always comes whole; old servers give it no place and no id."""
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(function, dict):
            raise malformed(problem="a tool call is not an object with a function")
        arguments = arguments_text(function.get("arguments"))
        if arguments is None:
            raise malformed(problem="the arguments of a tool call are neither text nor object")
        index = count(function, "index")
        if index is None or index in self._tools:
            index = max(self._tools, default=-1) + 1
        self._tools.add(index)
        identity = field_text(call, "id") or f"call_{index}"
        return ToolCallDelta(index, identity, field_text(function, "name") or None, arguments)


def _decode_usage(document: JsonObject) -> Usage | None:
    """Return the counts, or None where one is missing (unknown is not zero)."""
    input_tokens, output_tokens = (
        count(document, "prompt_eval_count"),
        count(document, "eval_count"),
    )
    if input_tokens is None or output_tokens is None:
        return None
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


def _build_decoder(asked: Asked) -> ChatLinesDecoder:
    return ChatLinesDecoder(
        requested_model=asked.request.model, provider_request_id=asked.provider_request_id
    )


OLLAMA_CHAT = Dialect(
    name="ollama-chat",
    path="/api/chat",
    options=OllamaOptions,
    encode=encode_request,
    headers=bearer,
    build_parser=LineParser,
    build_decoder=_build_decoder,
)
"""Ollama, local or behind a proxy that wants a key."""
