"""Requests of the Anthropic-Messages dialect."""

from itertools import groupby
from typing import Literal

import orjson
from msgspec import Struct

from facilitair_llm.calls import ChatMessage, ChatRequest, Image
from facilitair_llm.documents import JsonObject
from facilitair_llm.images import inline_image
from facilitair_llm.json_answers import asked_in_words, is_closed_schema
from facilitair_llm.tool_arguments import arguments_object

JsonOutput = Literal["native", "tool", "words"]
ANSWER_TOOL = "answer"
DEFAULT_OUTPUT_TOKENS = 8192
"""The protocol demands a limit; every model still offered can write as much."""


class AnthropicOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a server or a model of this dialect differs.

    `json_output` is the best that it has: `native` structured output, a forced `tool`, or `words`.
    `max_output_tokens` is asked for where a request names no limit.
    `omit` names what it refuses to be told.
    """

    json_output: JsonOutput = "native"
    max_output_tokens: int = DEFAULT_OUTPUT_TOKENS
    omit: tuple[Literal["temperature", "stop"], ...] = ()


def json_output(request: ChatRequest, options: AnthropicOptions) -> JsonOutput | None:
    """Return how this request asks for JSON, None where it does not.

    Structured output takes closed schemas only. A forced tool takes any object, but hides the
    tools that the request has itself. What neither takes is asked for in words.
    """
    schema = request.response_schema
    if schema is None:
        return None
    if options.json_output == "native" and is_closed_schema(schema):
        return "native"
    if options.json_output != "words" and not request.tools and schema.get("type") == "object":
        return "tool"
    return "words"


def encode_request(request: ChatRequest, options: AnthropicOptions) -> bytes:
    """Return the body of a streaming `POST /v1/messages`; equal requests give equal bytes.

    The dialect knows no seed and no names of speakers: they are left out.
    """
    how = json_output(request, options)
    if how == "words":
        request = asked_in_words(request)
    body: JsonObject = {
        "model": request.model,
        "max_tokens": request.max_output_tokens or options.max_output_tokens,
        "messages": _encode_messages(request.messages),
        "stream": True,
    }
    system = [message.content for message in request.messages if message.role == "system"]
    if any(system):
        body["system"] = "\n\n".join(filter(None, system))
    if request.temperature is not None and "temperature" not in options.omit:
        body["temperature"] = request.temperature
    if request.stop and "stop" not in options.omit:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [
            _encode_tool(tool.name, description=tool.description, schema=tool.parameters)
            for tool in request.tools
        ]
    if how is not None and request.response_schema is not None:
        body |= _encode_schema(request.response_schema, how=how)
    return orjson.dumps(body)


def _encode_schema(schema: JsonObject, *, how: JsonOutput) -> JsonObject:
    if how == "native":
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    if how == "tool":
        tool = _encode_tool(ANSWER_TOOL, description="Gives the answer.", schema=schema)
        return {"tools": [tool], "tool_choice": {"type": "tool", "name": ANSWER_TOOL}}
    return {}


def _encode_tool(name: str, *, description: str, schema: JsonObject) -> JsonObject:
    return {"name": name, "description": description, "input_schema": schema}


def _encode_messages(messages: tuple[ChatMessage, ...]) -> list[JsonObject]:
    """Return the turns: the answers of tools are the user's, and one turn is one message."""
    spoken = [message for message in messages if message.role != "system"]
    turns = groupby(spoken, key=_speaker)
    return [
        {"role": role, "content": _join([block for part in parts for block in _blocks(part)])}
        for role, parts in turns
    ]


def _speaker(message: ChatMessage) -> str:
    return "assistant" if message.role == "assistant" else "user"


def _join(blocks: list[JsonObject]) -> object:
    """Return the blocks, or a lone text as itself; an empty text may not stand beside others."""
    kept = [block for block in blocks if block.get("text") != ""]
    if len(kept) == 1 and kept[0]["type"] == "text":
        return kept[0]["text"]
    return kept or ""


def _blocks(message: ChatMessage) -> list[JsonObject]:
    if message.role == "tool":
        return [
            {
                "type": "tool_result",
                "tool_use_id": message.tool_call_id or "",
                "content": message.content,
            }
        ]
    blocks: list[JsonObject] = [_encode_image(image) for image in message.images or ()]
    blocks.append({"type": "text", "text": message.content})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_object(call)}
        for call in message.tool_calls
    ]
    return blocks


def _encode_image(image: Image) -> JsonObject:
    inline = inline_image(image)
    if inline is None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    source = {"type": "base64", "media_type": inline.media_type, "data": inline.base64}
    return {"type": "image", "source": source}
