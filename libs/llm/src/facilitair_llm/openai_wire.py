"""The OpenAI-chat dialect as pure functions: request to bytes, events of the stream to chunks."""

from typing import Literal

import orjson

from facilitair_llm.calls import (
    ChatMessage,
    ChatRequest,
    Chunk,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from facilitair_llm.errors import ProviderError
from facilitair_llm.openai_text_events import TextEvent, text_event
from facilitair_llm.provider_faults import error_from_body
from facilitair_llm.sse import Event

OutputLimitField = Literal["max_tokens", "max_completion_tokens"]
"""api.openai.com wants the newer name, most compatible servers know only the older one."""

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
JsonObject = dict[str, object]


def encode_request(request: ChatRequest, *, output_limit_field: OutputLimitField) -> bytes:
    """Return the body of a streaming `POST /chat/completions`; equal requests give equal bytes."""
    body: JsonObject = {
        "model": request.model,
        "messages": [_encode_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body[output_limit_field] = request.max_output_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.response_schema is not None:
        body["response_format"] = _encode_schema(request.response_schema)
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in request.tools
        ]
    return orjson.dumps(body)


def is_strict_schema(schema: object) -> bool:
    """Return whether OpenAI's strict mode takes the schema.

    Every object closes itself (`additionalProperties: false`) and requires all its properties.
    """
    if isinstance(schema, list):
        return all(map(is_strict_schema, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) or schema.get("type") == "object":
        named = set(properties) if isinstance(properties, dict) else set()
        required = schema.get("required", [])
        if schema.get("additionalProperties") is not False or not isinstance(required, list):
            return False
        if set(required) != named:
            return False
    return all(map(is_strict_schema, schema.values()))


def _encode_message(message: ChatMessage) -> JsonObject:
    encoded: JsonObject = {"role": message.role, "content": message.content}
    if message.name is not None:
        encoded["name"] = message.name
    if message.tool_call_id is not None:
        encoded["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        encoded["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    return encoded


def _encode_schema(schema: JsonObject) -> JsonObject:
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": is_strict_schema(schema)},
    }


class ChatStreamDecoder:
    """Turns the events of one answer into chunks and knows whether the answer is complete."""

    def __init__(self, *, requested_model: str, provider_request_id: str | None) -> None:
        self._model = requested_model
        self._provider_request_id = provider_request_id
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._refused = False
        self._last_tool_index = -1
        self.done = False
        """True once the end marker came: nothing after it counts."""

    @property
    def is_complete(self) -> bool:
        """Whether the provider said why it stopped; the text is whole then."""
        return self._finish_reason is not None

    def decode(self, event: Event) -> list[Chunk]:
        """Return the chunks of one event, in order, never `Finished`.

        Raises ProviderError for an error object, and kind `malformed` for anything unreadable.
        """
        self.done = self.done or event.data == b"[DONE]"
        if self.done:
            return []
        text = text_event(event)
        if text is not None:
            return self._take(text)
        document = _load_object(event.data)
        if document.get("error"):
            raise error_from_body(document["error"])
        if event.name == "error":
            raise error_from_body(document)
        model, identity = document.get("model"), document.get("id")
        if isinstance(model, str) and model:
            self._model = model
        if self._provider_request_id is None and isinstance(identity, str):
            self._provider_request_id = identity
        self._usage = _decode_usage(document.get("usage")) or self._usage
        choices = document.get("choices")
        if not isinstance(choices, list) or not choices:
            return []
        return self._decode_choice(choices[0])

    def finish(self) -> Finished:
        """Return the one `Finished` at the end of the bytes.

        Raises ProviderError kind `truncated` if the provider never said why it stopped.
        """
        if self._finish_reason is None:
            raise ProviderError(
                kind="truncated", message="the stream ended before the answer was complete"
            )
        reason = self._finish_reason
        return Finished(
            finish_reason="refusal" if self._refused and reason == "stop" else reason,
            usage=self._usage,
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
            raise _malformed(problem="a choice is not an object")
        chunks: list[Chunk] = []
        delta = choice.get("delta")
        if isinstance(delta, dict):
            reasoning = delta.get("reasoning_content") or delta.get("reasoning")
            if isinstance(reasoning, str) and reasoning:
                chunks.append(ReasoningDelta(reasoning))
            chunks.extend(self._decode_text(delta))
            calls = delta.get("tool_calls") or []
            if not isinstance(calls, list):
                raise _malformed(problem="delta.tool_calls is not a list")
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
                raise _malformed(problem=f"delta.{field} is not a text")
            self._refused = self._refused or field == "refusal"
            chunks.append(TextDelta(text))
        return chunks

    def _decode_tool_call(self, call: object) -> ToolCallDelta:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(function, dict):
            raise _malformed(problem="a tool call is not an object with a function")
        index, identity = call.get("index"), call.get("id") or None
        if type(index) is not int or index < 0:
            # Gemini's compatible endpoint sends whole calls without an index.
            index = max(self._last_tool_index + (1 if identity else 0), 0)
        self._last_tool_index = max(index, self._last_tool_index)
        name, arguments = function.get("name") or None, function.get("arguments") or ""
        if not isinstance(arguments, str):
            raise _malformed(problem="the arguments of a tool call are not a text")
        return ToolCallDelta(
            index=index,
            id=identity if isinstance(identity, str) else None,
            name=name if isinstance(name, str) else None,
            arguments=arguments,
        )


def _load_object(data: bytes) -> JsonObject:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _malformed(problem=f"an event is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise _malformed(problem="an event is not a JSON object")
    return document


def _decode_usage(usage: object) -> Usage | None:
    """Return the counts, or None where they are missing or not counts (unknown is not zero)."""
    if not isinstance(usage, dict):
        return None
    input_tokens = _count(usage, "prompt_tokens")
    output_tokens = _count(usage, "completion_tokens")
    if input_tokens is None or output_tokens is None:
        return None
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens") or 0,
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens") or 0,
    )


def _count(fields: object, name: str) -> int | None:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if type(value) is int and value >= 0 else None


def _malformed(*, problem: str) -> ProviderError:
    return ProviderError(kind="malformed", message=problem)
