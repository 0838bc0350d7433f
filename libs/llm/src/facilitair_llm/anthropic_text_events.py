"""The event that an answer has hundreds of, read by its shape: the next piece of text."""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from facilitair_llm.framing import Event


class TextPiece(Struct):
    """A piece of text."""

    type: Literal["text_delta"]
    text: str


class TextEvent(Struct):
    """What nearly every event is. Fields that we do not know may be anything."""

    type: Literal["content_block_delta"]
    delta: TextPiece


_decoder: Final = msgspec.json.Decoder(TextEvent)


def text_of(event: Event) -> str | None:
    """The text that the event brings; None when it has to be looked at as any document."""
    if event.name != "content_block_delta":
        return None
    try:
        return _decoder.decode(event.data).delta.text
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
