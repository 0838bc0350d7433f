"""The public record of a collaboration: every event has ``collaboration``, ``seq`` (dense from 1) and ``at``."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct

from facilitair_events.requests import Fault, Usage
from facilitair_events.text import Text

Instant = Annotated[datetime, Meta(tz=True)]


class PublicEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all public events repeat, because a viewer sees only the value. ``at`` is the reducer's now."""

    collaboration: str
    seq: int
    at: Instant


class Totals(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a collaboration or a step used. ``cost_usd`` is null when any call has no known price."""

    usage: Usage = Usage()
    calls: int = 0
    cost_usd: Decimal | None = None
    unknown_calls: int = 0
    simulated: bool = False


class CollaborationAccepted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The request is valid and work starts. ``steps`` are the ids in definition order, groups before their members."""

    workflow: str
    workflow_version: str
    definition_digest: str
    project: str
    actor: str
    task: Text
    steps: tuple[str, ...]
    inputs: dict[str, Any] = {}


class CollaborationRefused(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The request cannot be run; terminal. ``faults`` lists all of them."""

    faults: tuple[Fault, ...]


class CollaborationCompleted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Terminal. The result is the output of ``step`` in its attempt ``attempt``; null when that step was skipped."""

    duration_ms: int
    totals: Totals
    step: str | None = None
    attempt: int | None = None


class CollaborationFailed(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Terminal. ``step`` names the one that failed, if it was a step."""

    fault: Fault
    duration_ms: int
    totals: Totals
    step: str | None = None


class CollaborationCancelled(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Terminal. Somebody asked for the end."""

    actor: str
    duration_ms: int
    totals: Totals
    reason: str | None = None


class CollaborationExpired(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Terminal. The workflow's ``timeout_s`` passed."""

    timeout_s: float
    duration_ms: int
    totals: Totals


class StepScheduled(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Attempt ``attempt`` of a step was handed to the workers. ``reason`` says why there is one more."""

    step: str
    agent: str
    attempt: int
    model: str
    reason: str = "first"


class StepStarted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Iteration ``iteration`` (from 1) of a repeated group begins."""

    step: str
    iteration: int


class StepCompleted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A step is done. An agent's text is in the ``attempt.completed`` of ``attempt``; a group counts its iterations.

    ``value`` is the decoded output of a step that answers in JSON.
    ``exhausted`` says that a group ended because of ``max`` while its ``until`` was still false.
    """

    step: str
    agent: str | None = None
    attempt: int | None = None
    iterations: int | None = None
    exhausted: bool = False
    value: Any = None


class StepFailed(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A step is given up; no further attempt follows."""

    step: str
    fault: Fault
    agent: str | None = None


class StepSkipped(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A step does not run because its ``when`` is false. Steps that need it run without its output."""

    step: str
    reason: str = "when"


class AttemptCompleted(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt gave the step's answer; ``output`` is its authoritative text."""

    step: str
    agent: str
    attempt: int
    output: Text
    totals: Totals
    model: str | None = None
    finish_reason: str | None = None
    duration_ms: int | None = None


class AttemptFailed(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt failed. ``retry_at`` is when the next one is due; null when there is none."""

    step: str
    agent: str
    attempt: int
    fault: Fault
    totals: Totals
    retry_at: Instant | None = None


class AttemptUnknown(PublicEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt went silent: whether its open call was answered is not known. ``void`` means it was never asked."""

    step: str
    agent: str
    attempt: int
    call_id: str
    void: bool = False
    retry_at: Instant | None = None
