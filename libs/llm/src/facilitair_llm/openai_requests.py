"""Requests of the OpenAI-chat dialect."""

from typing import Literal

import orjson
from msgspec import Struct

from facilitair_llm.calls import ChatMessage, ChatRequest, ToolDefinition
from facilitair_llm.documents import JsonObject
from facilitair_llm.images import inline_image
from facilitair_llm.json_answers import asked_in_words, is_strict_schema

OutputLimitField = Literal["max_tokens", "max_completion_tokens"]
"""api.openai.com wants the newer name, most compatible servers know only the older one."""
Omittable = Literal["temperature", "seed", "stop", "name", "stream_options"]


class OpenAIOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a server of this dialect differs.

    `json_output` says how it is asked for JSON of a schema: by the schema, for any JSON object
    and the schema in words, or in words alone.
    `omit` names what it refuses to be told.
    `cost` says what tells a call's cost: our `prices`, or the server's own word in its `usage`.
    """

    output_limit_field: OutputLimitField = "max_tokens"
    json_output: Literal["schema", "object", "words"] = "schema"
    omit: tuple[Omittable, ...] = ()
    cost: Literal["prices", "usage"] = "prices"


def encode_request(request: ChatRequest, options: OpenAIOptions) -> bytes:
    """Return the body of a streaming `POST /chat/completions`; equal requests give equal bytes."""
    if options.json_output != "schema":
        request = asked_in_words(request)
    body: JsonObject = {
        "model": request.model,
        "messages": [encode_message(message, options) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body[options.output_limit_field] = request.max_output_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.response_schema is not None and options.json_output != "words":
        body["response_format"] = _response_format(request.response_schema, options)
    if request.tools:
        body["tools"] = [encode_tool(tool) for tool in request.tools]
    return orjson.dumps({name: body[name] for name in body if name not in options.omit})


def encode_tool(tool: ToolDefinition) -> JsonObject:
    """Return a tool as this dialect and Ollama's own describe it."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def encode_message(message: ChatMessage, options: OpenAIOptions) -> JsonObject:
    """Return a message. Raises ProviderError for an image that nobody could load."""
    encoded: JsonObject = {"role": message.role, "content": _content(message)}
    if message.name is not None and "name" not in options.omit:
        encoded["name"] = message.name
    if message.tool_call_id is not None:
        encoded["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        encoded["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in message.tool_calls
        ]
    return encoded


def _content(message: ChatMessage) -> str | list[JsonObject]:
    if not message.images:
        return message.content
    parts: list[JsonObject] = []
    for image in message.images:
        inline_image(image)  # refuses what is neither kind of reference
        parts.append({"type": "image_url", "image_url": {"url": image.url}})
    return [*parts, {"type": "text", "text": message.content}]


def _response_format(schema: JsonObject, options: OpenAIOptions) -> JsonObject:
    if options.json_output == "object":
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": is_strict_schema(schema)},
    }
