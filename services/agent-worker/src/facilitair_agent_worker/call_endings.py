"""What the end of a call says of its provider."""

from typing import Final

from facilitair_agent_worker.breaker import Ending
from facilitair_agent_worker.calling import Answer
from facilitair_agent_worker.gates import Ended

SILENT_S: Final = 10.0
"""A call that its own deadline ends without a word counts against the provider from here on.

Whoever runs a step sets its deadline: a shorter one must not close a model to everybody.
"""

_ENDINGS: Final[dict[str, Ending]] = {
    "unavailable": "failed",
    "overloaded": "failed",
    "timeout": "failed",
    "truncated": "failed",
    "malformed": "failed",
    "silence": "failed",
    "quota": "failed",
    "authentication": "barred",
}
"""All else says nothing of the provider: it was our request, or we ended the call.

An empty account may still pay for a smaller request, so it counts as one failure. A key that is
refused is refused for every request.
"""


def ended_of(answer: Answer, *, timeout_s: float) -> Ended:
    """Judge a call at the end of its stream; an answer that ended by itself is one, however."""
    trouble = answer.trouble
    if trouble == "deadline" and not answer.text and timeout_s >= SILENT_S:
        trouble = "silence"
    usage = answer.usage
    return Ended(
        ending="answered" if trouble is None else _ENDINGS.get(trouble, "undecided"),
        reason=trouble or "answered",
        limited=trouble == "rate_limited",
        retry_after_s=None if answer.fault is None else answer.fault.retry_after_s,
        tokens=None if usage is None else usage.input_tokens + usage.output_tokens,
    )
