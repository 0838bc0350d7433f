"""The public record of a collaboration: what its reducer decided, one dense ``seq`` per event.

These are kept for ever: what users or models wrote stands in ``Personal`` fields only (R37).
``actor`` is an id, never a name or an address.
"""

from msgspec import Struct

from facilitair_events.accounts import Refusal
from facilitair_events.instants import Instant
from facilitair_events.numbers import Amount, Count, Ordinal, Seconds, check_amounts
from facilitair_events.requests import Fault, Usage
from facilitair_events.text import Personal, Text


class PublicEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all public events repeat, because a viewer sees only the value.

    ``seq`` is dense from 1, ``at`` is the reducer's now.
    """

    collaboration: str
    seq: Ordinal
    at: Instant


class Totals(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a collaboration or a step used; ``cost_usd`` is null when a call has no known price."""

    usage: Usage = Usage()
    calls: Count = 0
    cost_usd: Amount | None = None
    unknown_calls: Count = 0
    simulated: bool = False

    def __post_init__(self) -> None:
        check_amounts(cost_usd=self.cost_usd)


class CollaborationAccepted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The request is valid and work starts.

    ``steps`` are the ids in definition order, groups before their members.
    ``inputs`` is the JSON object that was asked with; null when it was empty.
    """

    workflow: str
    workflow_version: str
    definition_digest: str
    project: str
    actor: str
    task: Text
    steps: tuple[str, ...]
    inputs: Personal | None = None


class CollaborationRefused(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The request cannot be run; terminal. ``faults`` lists all of them."""

    faults: tuple[Fault, ...]


class CollaborationCompleted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Terminal. The result is what ``attempt`` of ``step`` gave; null when that was skipped.

    ``partial_steps`` are the paths of those whose answers are not whole.
    """

    duration_ms: Count
    totals: Totals
    step: str | None = None
    attempt: Ordinal | None = None
    partial_steps: tuple[str, ...] = ()


class CollaborationFailed(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Terminal. ``step`` names the one that failed, if it was a step."""

    fault: Fault
    duration_ms: Count
    totals: Totals
    step: str | None = None


class CollaborationCancelled(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Terminal. Somebody asked for the end."""

    actor: str
    duration_ms: Count
    totals: Totals
    reason: Personal | None = None


class CollaborationExpired(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Terminal. The workflow's ``timeout_s`` passed."""

    timeout_s: Seconds
    duration_ms: Count
    totals: Totals


class BudgetReserved(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The account set money aside: ``usd`` for ``calls`` that are likely next, and ``slots``.

    ``usd`` is null where a call has no known price.
    """

    usd: Amount | None
    calls: Count
    slots: Count

    def __post_init__(self) -> None:
        check_amounts(usd=self.usd)


class BudgetRefused(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Money was refused, by the account, or by the budget of the collaboration or of ``step``.

    ``refusal`` says what was asked, what is left and when the window turns.
    ``policy`` is what follows.
    """

    refusal: Refusal
    policy: str
    step: str | None = None


class CollaborationPaused(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing starts until somebody resumes it; what runs goes on to its end."""

    fault: Fault


class CollaborationResumed(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody asked to go on."""

    actor: str


class StepScheduled(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Attempt ``attempt`` of a step was handed to the workers; ``reason`` is why there is one."""

    step: str
    agent: str
    attempt: Ordinal
    model: str
    reason: str = "first"
    provider: str | None = None


class StepStarted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Iteration ``iteration`` (from 1) of a repeated group begins."""

    step: str
    iteration: Ordinal


class StepCompleted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A step is done.

    An agent's answer is the ``output`` of the ``attempt.completed`` that names ``attempt``.
    A group counts its iterations.
    ``exhausted`` says that a group ended because of ``max`` while its ``until`` was still false.
    ``partial`` is the code of the fault that left the answer unfinished.
    """

    step: str
    agent: str | None = None
    attempt: Ordinal | None = None
    iterations: Count | None = None
    exhausted: bool = False
    partial: str | None = None


class StepFailed(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A step is given up; no further attempt follows."""

    step: str
    fault: Fault
    agent: str | None = None


class StepSkipped(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A step does not run because its ``when`` is false; what needs it runs without its output."""

    step: str
    reason: str = "when"


class AttemptCompleted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt gave the step's answer; ``output`` is its authoritative text.

    ``partial`` is the code of the fault that left it unfinished; the step takes it as it is.
    """

    step: str
    agent: str
    attempt: Ordinal
    output: Text
    totals: Totals
    model: str | None = None
    finish_reason: str | None = None
    duration_ms: Count | None = None
    partial: str | None = None


class AttemptFailed(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt failed. ``retry_at`` is when the next one is due; null when there is none."""

    step: str
    agent: str
    attempt: Ordinal
    fault: Fault
    totals: Totals
    retry_at: Instant | None = None
    model: str | None = None
    provider: str | None = None


class AttemptUnknown(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt went silent: whether its open call was answered is not known.

    ``void`` means that nothing was asked.
    """

    step: str
    agent: str
    attempt: Ordinal
    call_id: str
    void: bool = False
    retry_at: Instant | None = None
