"""What is to be done about an attempt that failed, as the step's files say (since logic 2). Pure.

``retry`` does not say that there is another attempt: ``Retry`` bounds those.
"""

from typing import Final, Literal

from msgspec import Struct

from facilitair_events.definitions import Agent, Step
from facilitair_events.requests import Fault
from facilitair_events.state import StepState
from facilitair_events.text import Text

Choice = Literal["fallback", "continue", "larger", "partial", "retry", "fail"]

ELSEWHERE: Final = frozenset(
    {
        "address_refused",
        "authentication",
        "context_length",
        "invalid_request",
        "malformed",
        "overloaded",
        "provider_unknown",
        "quota",
        "rate_limited",
        "refused_by_provider",
        "timeout",
        "truncated",
        "unavailable",
    }
)
"""Faults of a model or its provider: another one may well answer the same question."""

DEADLINE: Final = "deadline"
"""The time that all attempts of a step have together is over."""

_OF_THE_ANSWER: Final = "output_invalid"
"""Asking again may help, but it is not the provider's trouble."""

NEVER: Final = 2**53 - 1
"""Until when a model rests that is of no use to a step."""


class Trouble(Struct, frozen=True, kw_only=True):
    """How an attempt failed.

    ``answer`` is the text so far, that of earlier attempts included.
    ``said`` tells whether this attempt added to it.
    """

    fault: Fault
    answer: Text | None = None
    said: bool = False


def trouble_of(step: StepState, *, fault: Fault, answer: Text | None) -> Trouble:
    """The trouble that the report of the step's attempt tells."""
    before = step.continued.size if step.continued is not None else 0
    said = answer is not None and answer.size > before
    return Trouble(fault=fault, answer=answer, said=said)


def of_the_provider(fault: Fault) -> bool:
    """Whether a fault is the model's or the provider's and not that of the step's own data."""
    return fault.code in ELSEWHERE or (fault.retryable and fault.code != _OF_THE_ANSWER)


def choose(
    trouble: Trouble, step: StepState, *, spec: Step, further: int | None, larger: int | None
) -> Choice:
    """What the step's policies say, as far as it can be done.

    ``further`` is the next model that may be asked, ``larger`` the next limit of output tokens;
    None where there is none.
    """
    wanted = _wanted(trouble, spec)
    if wanted == "continue" and not trouble.said and trouble.fault.code == "length":
        wanted = "larger"  # there is nothing to go on from
    if wanted in ("continue", "larger") and step.extensions >= spec.endings.max:
        return "fail"
    if wanted == "larger" and larger is None:
        return "fail"
    if wanted == "partial" and not _acceptable(trouble, spec):
        return "fail"
    if wanted == "fallback" and further is None:
        return "retry" if of_the_provider(trouble.fault) else "fail"
    return wanted


def _wanted(trouble: Trouble, spec: Step) -> Choice:
    endings, code = spec.endings, trouble.fault.code
    if code == "length":
        return endings.length
    if code == "refusal":
        return endings.refusal
    if code == "content_filter":
        return endings.content_filter
    if code == DEADLINE and trouble.said and endings.cut == "partial":
        return "partial"
    if not of_the_provider(trouble.fault):
        return "retry"
    return endings.cut if trouble.said else "fallback"


def _acceptable(trouble: Trouble, spec: Step) -> bool:
    """A part of a text is of use; a part of JSON is none, and nothing is no part."""
    return spec.output.kind == "text" and trouble.answer is not None and trouble.answer.size > 0


def larger_limit(step: StepState, agent: Agent, *, used: int | None) -> int | None:
    """Twice the limit of output tokens, at most the model's own; None when it cannot grow.

    ``used`` is what the call that met its limit took: that was the limit where nobody set one.
    """
    most = agent.models[step.model_index].max_output_tokens
    asked = step.max_output_tokens or agent.max_output_tokens or used
    if not asked:
        return None
    now = asked if most is None else min(asked, most)
    grown = 2 * now if most is None else min(2 * now, most)
    return grown if grown > now else None


def rested(step: StepState, trouble: Trouble, *, models: int, now_ms: int) -> tuple[int, ...]:
    """Until when each model is left alone, the one that was asked included."""
    resting = [*step.resting, *([0] * (models - len(step.resting)))]
    fault = trouble.fault
    if fault.code in ("refusal", "content_filter") or (
        of_the_provider(fault) and not fault.retryable
    ):
        resting[step.model_index] = NEVER
    elif of_the_provider(fault):
        resting[step.model_index] = now_ms + round((fault.retry_after_s or 0) * 1000)
    return tuple(resting)


def next_model(resting: tuple[int, ...], *, after: int, now_ms: int) -> int | None:
    """The next model of the chain that may be asked now."""
    return next((n for n in range(after + 1, len(resting)) if resting[n] <= now_ms), None)


def next_round(resting: tuple[int, ...], *, due_ms: int) -> tuple[int, int] | None:
    """Which model is asked first after a wait until ``due_ms``, and when; None for none ever.

    A model that asked for a longer rest is passed over, unless all of them did.
    """
    model, rest_ms = min(enumerate(resting), key=lambda one: (max(one[1], due_ms), one[0]))
    return None if rest_ms >= NEVER else (model, max(rest_ms, due_ms))
