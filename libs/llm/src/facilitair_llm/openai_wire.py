"""The OpenAI-chat dialect: events of the stream to chunks, and what else makes the dialect."""

from decimal import Decimal

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
from facilitair_llm.documents import JsonObject, count, load_object, malformed
from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import Event
from facilitair_llm.openai_requests import OpenAIOptions, encode_request
from facilitair_llm.openai_text_events import TextEvent, text_event
from facilitair_llm.provider_faults import error_from_body
from facilitair_llm.sse import SseParser
from facilitair_llm.told_costs import told_cost
from facilitair_llm.tool_arguments import arguments_text

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "refusal",
}


class ChatStreamDecoder:
    """See `StreamDecoder`. `tells_cost`: what the server says of costs is believed."""

    def __init__(
        self, *, requested_model: str, provider_request_id: str | None, tells_cost: bool = False
    ) -> None:
        self._model = requested_model
        self._provider_request_id = provider_request_id
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._tells_cost = tells_cost
        self._cost_usd: Decimal | None = None
        self._refused = False
        self._last_tool_index = -1
        self.done = False

    @property
    def is_complete(self) -> bool:
        """See `StreamDecoder.is_complete`."""
        return self._finish_reason is not None

    def decode(self, event: Event) -> list[Chunk]:
        """See `StreamDecoder.decode`."""
        self.done = self.done or event.data == b"[DONE]"
        if self.done:
            return []
        text = text_event(event)
        if text is not None:
            return self._take(text)
        document = load_object(event.data)
        error = _error_of(document)
        if error is not None:
            raise error_from_body(error)
        if event.name == "error":
            raise error_from_body(document)
        model, identity = document.get("model"), document.get("id")
        if isinstance(model, str) and model:
            self._model = model
        if self._provider_request_id is None and isinstance(identity, str):
            self._provider_request_id = identity
        self._usage = _decode_usage(document) or self._usage
        if self._tells_cost and document.get("usage") is not None:
            self._cost_usd = told_cost(document["usage"])
        choices = document.get("choices")
        if not isinstance(choices, list) or not choices:
            return []
        return self._decode_choice(choices[0])

    def finish(self) -> Finished:
        """See `StreamDecoder.finish`."""
        if self._finish_reason is None:
            raise ProviderError(
                kind="truncated", message="the stream ended before the answer was complete"
            )
        reason = self._finish_reason
        if reason == "stop" and self._refused:
            reason = "refusal"
        elif reason == "stop" and self._last_tool_index >= 0:
            reason = "tool_calls"  # some compatible servers call every end a stop
        return Finished(
            finish_reason=reason,
            usage=self._usage,
            cost_usd=self._cost_usd,
            model=self._model,
            provider_request_id=self._provider_request_id,
        )

    def _take(self, event: TextEvent) -> list[Chunk]:
        self._model = event.model or self._model
        if self._provider_request_id is None:
            self._provider_request_id = event.id
        text = event.choices[0].delta.content
        return [TextDelta(text)] if text else []

    def _decode_choice(self, choice: object) -> list[Chunk]:
        if not isinstance(choice, dict):
            raise malformed(problem="a choice is not an object")
        chunks: list[Chunk] = []
        delta = choice.get("delta")
        if isinstance(delta, dict):
            reasoning = delta.get("reasoning_content") or delta.get("reasoning")
            if isinstance(reasoning, str) and reasoning:
                chunks.append(ReasoningDelta(reasoning))
            chunks.extend(self._decode_text(delta))
            calls = delta.get("tool_calls") or []
            if not isinstance(calls, list):
                raise malformed(problem="delta.tool_calls is not a list")
            chunks.extend(map(self._decode_tool_call, calls))
        reason = choice.get("finish_reason")
        if reason == "error":
            raise ProviderError(kind="unavailable", message="the answer ended with an error")
        if isinstance(reason, str):
            self._finish_reason = FINISH_REASONS.get(reason, "other")
        return chunks

    def _decode_text(self, delta: JsonObject) -> list[Chunk]:
        chunks: list[Chunk] = []
        for field in ("content", "refusal"):
            text = delta.get(field)
            if text is None or text == "":
                continue
            if not isinstance(text, str):
                raise malformed(problem=f"delta.{field} is not a text")
            self._refused = self._refused or field == "refusal"
            chunks.append(TextDelta(text))
        return chunks

    def _decode_tool_call(self, call: object) -> ToolCallDelta:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(function, dict):
            raise malformed(problem="a tool call is not an object with a function")
        index, identity = call.get("index"), call.get("id") or None
        if type(index) is not int or index < 0:
            # Gemini's compatible endpoint sends whole calls without an index.
            index = max(self._last_tool_index + (1 if identity else 0), 0)
        self._last_tool_index = max(index, self._last_tool_index)
        name, arguments = function.get("name") or None, arguments_text(function.get("arguments"))
        if arguments is None:
            raise malformed(problem="the arguments of a tool call are neither text nor object")
        return ToolCallDelta(
            index=index,
            id=identity if isinstance(identity, str) else None,
            name=name if isinstance(name, str) else None,
            arguments=arguments,
        )


def _error_of(document: JsonObject) -> object:
    """Return what says that the answer failed, or None.

    Groq tells it under `x_groq`, older servers of vLLM as the whole document.
    """
    groq = document.get("x_groq")
    if document.get("error"):
        return document["error"]
    if isinstance(groq, dict) and groq.get("error"):
        return groq["error"]
    if document.get("object") == "error" and "choices" not in document:
        return document
    return None


def _decode_usage(document: JsonObject) -> Usage | None:
    """Return the counts, or None where they are missing or not counts (unknown is not zero).

    Some servers do not count thinking among the completion tokens, only in the total
    (Gemini's compatible endpoint, xAI): it is paid for as output, so it counts as output.
    """
    groq = document.get("x_groq")
    usage = document.get("usage") or (groq.get("usage") if isinstance(groq, dict) else None)
    input_tokens, completion = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    if not isinstance(usage, dict) or input_tokens is None or completion is None:
        return None
    total = count(usage, "total_tokens") or 0
    reasoning = count(usage.get("completion_tokens_details"), "reasoning_tokens") or 0
    output_tokens = max(completion, total - input_tokens)
    details = usage.get("prompt_tokens_details")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=count(details, "cached_tokens") or 0,
        cache_write_tokens=count(details, "cache_write_tokens") or 0,
        reasoning_tokens=max(reasoning, output_tokens - completion),
    )


def _build_decoder(asked: Asked) -> ChatStreamDecoder:
    return ChatStreamDecoder(
        requested_model=asked.request.model,
        provider_request_id=asked.provider_request_id,
        tells_cost=isinstance(asked.options, OpenAIOptions) and asked.options.cost == "usage",
    )


OPENAI_CHAT = Dialect(
    name="openai-chat",
    path="/chat/completions",
    options=OpenAIOptions,
    encode=encode_request,
    headers=bearer,
    build_parser=SseParser,
    build_decoder=_build_decoder,
    request_id_headers=("x-request-id", "x-generation-id"),
)
"""OpenAI, Groq, OpenRouter, Gemini's compatible endpoint, vLLM, LM Studio, Ollama's `/v1`."""
