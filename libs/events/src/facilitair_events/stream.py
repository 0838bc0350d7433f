"""What exists on ``collaboration-stream`` only; these carry no ``seq``."""

from msgspec import Struct

from facilitair_events.numbers import Count, Ordinal


class Token(Struct, frozen=True, kw_only=True):
    """A chunk of an attempt's text. ``index`` counts 0,1,2,… per (step, attempt)."""

    step: str
    attempt: Ordinal
    agent: str
    index: Count
    text: str


class AttemptStarted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first attempt at a step is about to write; it precedes its first token."""

    collaboration: str
    step: str
    attempt: Ordinal
    agent: str
    model: str
    simulated: bool = False


class AttemptReset(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A later attempt is about to write: viewers drop what older attempts of this step wrote."""

    collaboration: str
    step: str
    attempt: Ordinal
    agent: str
    model: str
    simulated: bool = False
