"""Requests of Ollama's own dialect."""

from typing import Literal

import orjson
from msgspec import Struct

from facilitair_llm.calls import ChatMessage, ChatRequest, Image
from facilitair_llm.documents import JsonObject
from facilitair_llm.errors import ProviderError
from facilitair_llm.images import inline_image
from facilitair_llm.openai_requests import encode_tool
from facilitair_llm.tool_arguments import arguments_object


class OllamaOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What only Ollama's own dialect can be told.

    `num_ctx` is the context window that the model is loaded with: a longer prompt is cut by the
    server without a word, so set it to what your prompts need.
    `keep_alive` is how long the model stays loaded: seconds, or a text such as `30m`; -1 for ever.
    `omit` names what a server refuses to be told.
    """

    num_ctx: int | None = None
    keep_alive: int | str | None = None
    omit: tuple[Literal["temperature", "seed", "stop"], ...] = ()


def encode_request(request: ChatRequest, options: OllamaOptions) -> bytes:
    """Return the body of a streaming `POST /api/chat`; equal requests give equal bytes.

    The dialect knows no names of speakers: they are left out.
    """
    tool_names = {call.id: call.name for each in request.messages for call in each.tool_calls}
    body: JsonObject = {
        "model": request.model,
        "messages": [_encode_message(each, tool_names) for each in request.messages],
        "stream": True,
    }
    settings: JsonObject = {
        "num_ctx": options.num_ctx,
        "num_predict": request.max_output_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop) or None,
    }
    settings = {
        name: value
        for name, value in settings.items()
        if value is not None and name not in options.omit
    }
    if settings:
        body["options"] = settings
    if options.keep_alive is not None:
        body["keep_alive"] = options.keep_alive
    if request.response_schema is not None:
        body["format"] = request.response_schema
    if request.tools:
        body["tools"] = [encode_tool(tool) for tool in request.tools]
    return orjson.dumps(body)


def _encode_message(message: ChatMessage, tool_names: dict[str, str]) -> JsonObject:
    encoded: JsonObject = {"role": message.role, "content": message.content}
    if message.images:
        encoded["images"] = [_encode_image(image) for image in message.images]
    if message.tool_calls:
        encoded["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": arguments_object(call)}}
            for call in message.tool_calls
        ]
    if message.role == "tool":
        answered = message.tool_call_id or ""
        name = message.name or tool_names.get(answered)
        encoded |= {"tool_call_id": answered} if answered else {}
        encoded |= {"tool_name": name} if name else {}
    return encoded


def _encode_image(image: Image) -> str:
    inline = inline_image(image)
    if inline is None:
        raise ProviderError(
            kind="invalid_request",
            message="Ollama loads no images: send them as data: URLs",
            sent=False,
        )
    return inline.base64
