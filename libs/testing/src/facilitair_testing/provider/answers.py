"""What a scripted provider says, in no dialect's words."""

from msgspec import Struct

from facilitair_events.requests import Usage
from facilitair_llm.calls import FinishReason


class Call(Struct, frozen=True):
    """A tool call; `parts` are the pieces in which the JSON text of its arguments is written."""

    id: str
    name: str
    parts: tuple[str, ...]


class Answer(Struct, frozen=True, kw_only=True):
    """One answer; every token is a piece of the stream."""

    tokens: tuple[str, ...] = ()
    thoughts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    finish: FinishReason = "stop"
    usage: Usage = Usage(input_tokens=11, output_tokens=60)
    model: str = "scripted-model"
    id: str = "scripted-answer"


def counted(number: int) -> tuple[str, ...]:
    """Tokens that say their own place."""
    return tuple(f"t{place} " for place in range(number))


SIXTY = Answer(tokens=counted(60))
"""Sixty tokens: long enough to be cut at the fortieth."""
