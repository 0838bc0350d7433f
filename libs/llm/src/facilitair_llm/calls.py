"""What a caller asks of a model and what comes back, in no provider's words."""

from decimal import Decimal
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from facilitair_events.requests import Usage

__all__ = [
    "ChatMessage",
    "ChatRequest",
    "Chunk",
    "FinishReason",
    "Finished",
    "Image",
    "ReasoningDelta",
    "Role",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "ToolDefinition",
    "Usage",
]

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "other"]


class ToolDefinition(Struct, frozen=True):
    """A tool the model may call; `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: dict[str, object]


class ToolCall(Struct, frozen=True):
    """A call the model asked for; `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


class Image(Struct, frozen=True):
    """An image by reference: an `https:` URL, or a `data:` URL with base64 such as PNG.

    Which kinds of images and of references a model takes is the provider's.
    """

    url: str


class ChatMessage(Struct, frozen=True):
    """One message of the conversation; `tool_call_id` says which call a tool message answers.

    `images` belong to user messages and come before the text.
    They are unset, not empty, in messages without any: so digests of those stay what they were.
    """

    role: Role
    content: str
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    images: tuple[Image, ...] | UnsetType = UNSET


class ChatRequest(Struct, frozen=True):
    """One request; None leaves the choice to the provider.

    `response_schema` asks for JSON that matches this JSON Schema; the caller still checks it.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    temperature: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    response_schema: dict[str, object] | None = None
    tools: tuple[ToolDefinition, ...] = ()


class TextDelta(Struct, frozen=True):
    """The next piece of the answer's text; never empty."""

    text: str


class ReasoningDelta(Struct, frozen=True):
    """The next piece of the model's visible thinking; not part of the answer."""

    text: str


class ToolCallDelta(Struct, frozen=True):
    """The next piece of the tool call `index`; `arguments` of one index are to be joined."""

    index: int
    id: str | None
    name: str | None
    arguments: str


class Finished(Struct, frozen=True):
    """The answer is complete.

    `usage` is None when the provider did not say.
    Its cached tokens are part of the input tokens, its reasoning tokens part of the output tokens.
    `model` is the name the provider reported.
    `cost_usd` is what the provider says that the call was charged; None where it says nothing.
    """

    finish_reason: FinishReason
    usage: Usage | None
    model: str
    provider_request_id: str | None = None
    cost_usd: Decimal | None = None


Chunk = TextDelta | ReasoningDelta | ToolCallDelta | Finished
