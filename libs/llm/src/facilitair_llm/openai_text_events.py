"""The event that an answer has hundreds of, read by its shape: the next piece of text."""

from typing import Final

import msgspec
from msgspec import Struct

from facilitair_llm.framing import Event


class Delta(Struct):
    """A delta that brings text and nothing else that we know."""

    content: str
    refusal: None = None
    reasoning: None = None
    reasoning_content: None = None
    tool_calls: None = None


class Choice(Struct):
    """A choice that goes on."""

    delta: Delta
    finish_reason: None = None


class TextEvent(Struct):
    """What nearly every event is. Fields that we do not know may be anything."""

    choices: list[Choice]
    model: str = ""
    id: str | None = None
    usage: None = None
    error: None = None
    x_groq: None = None


_decoder: Final = msgspec.json.Decoder(TextEvent)


def text_event(event: Event) -> TextEvent | None:
    """The event when it is the next text; None when it has to be looked at as any document."""
    if event.name == "error":
        return None
    try:
        text = _decoder.decode(event.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return text if text.choices else None
