"""The line that an answer has hundreds of, read by its shape: the next piece of text."""

from typing import Final

import msgspec
from msgspec import Struct

from facilitair_llm.framing import Event


class TextMessage(Struct):
    """A message that brings text and nothing else that we know."""

    content: str
    thinking: None = None
    tool_calls: None = None


class TextLine(Struct):
    """What nearly every line is. Fields that we do not know may be anything."""

    message: TextMessage
    model: str = ""
    done: bool = False
    error: None = None


_decoder: Final = msgspec.json.Decoder(TextLine)


def text_line(event: Event) -> TextLine | None:
    """The line when it is the next text; None when it has to be looked at as any document."""
    try:
        line = _decoder.decode(event.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if line.done else line
