"""The state of a collaboration between two records of its inbox, and its snapshot (R8).

It is a contract too: a snapshot written by this version is read by the next.
"""

from typing import Any, Literal

from msgspec import Struct

from facilitair_events.definitions import Definition
from facilitair_events.numbers import Amount, Count, Ordinal, check_amounts
from facilitair_events.replies import CollaborationStatus, StepStatus
from facilitair_events.requests import CallOutcome, Fault, Usage
from facilitair_events.text import Text
from facilitair_events.work import Correction, StepOutput


class Timer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is due at ``due_ms`` (log time, milliseconds since the epoch).

    ``timer_id`` = uuid5(arming record, name) and is never reused.
    ``path`` and ``attempt`` say what it is for.
    """

    timer_id: str
    name: str
    due_ms: Count
    path: str | None = None
    attempt: Ordinal | None = None


class StepState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of one iteration.

    ``attempts`` counts up and is never reset (R17).
    ``open`` is the attempt that may still report, or 0.
    ``completed_seq`` is the seq of its ``step.completed``.
    ``overdue`` says that the open attempt took too long and was asked to stop.
    ``failures``, ``lost`` and ``corrections`` count against the step's retry limits,
    ``extensions`` against that of its ``endings``.
    ``began_ms`` is when its first attempt was scheduled; 0 where nobody noted it.
    ``model_index``, ``continued`` and ``max_output_tokens`` are for the next attempt.
    ``resting`` is until when (log time, milliseconds) each of the agent's models is left alone.
    ``partial`` says why the output is not a whole answer.
    ``funding`` is the reason of the attempt that waits for money or a slot.
    ``reserved_usd`` is what was set aside for the open attempt's call and no outcome has used;
    null for one without a price too. ``needed_usd`` is what a worker said that it needs, ``shorts``
    how often one said so.
    """

    path: str
    step: str
    agent: str | None = None
    status: StepStatus = "waiting"
    attempts: Count = 0
    open: Count = 0
    overdue: bool = False
    failures: Count = 0
    lost: Count = 0
    corrections: Count = 0
    correction: Correction | None = None
    iteration: Count = 0
    completed_seq: Count = 0
    output: StepOutput | None = None
    fault: Fault | None = None
    extensions: Count = 0
    began_ms: Count = 0
    model_index: Count = 0
    continued: Text | None = None
    max_output_tokens: Ordinal | None = None
    resting: tuple[Count, ...] = ()
    partial: str | None = None
    funding: str | None = None
    reserved_usd: Amount | None = None
    needed_usd: Amount | None = None
    shorts: Count = 0

    def __post_init__(self) -> None:
        if self.reserved_usd is not None or self.needed_usd is not None:  # seldom, and made often
            check_amounts(reserved_usd=self.reserved_usd, needed_usd=self.needed_usd)


class CallState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The counted outcome of a call and its money; ``output`` is kept until its step completes.

    ``charged_usd`` is what the account was told; null where there is none.
    """

    path: str
    attempt: Ordinal
    index: Count
    outcome: CallOutcome
    agent: str | None = None
    model: str | None = None
    request_digest: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cost_usd: Amount | None = None
    simulated: bool = False
    duration_ms: Count | None = None
    output: Text | None = None
    charged_usd: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(cost_usd=self.cost_usd, charged_usd=self.charged_usd)


class FundsState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a collaboration knows of its envelope with ``accounts`` (R25, R26).

    ``n`` numbers its requests, ``asked`` is the one that waits for an answer, or 0; it was for so
    many ``parts``, and ``asked_for`` is the path of the step that needs them most.
    ``queued`` says that it waits for a slot.
    ``unused`` is what was granted for each agent and no attempt has taken, ``unpriced`` how many
    calls without a known price.
    ``slots`` is how many attempts may be open at once.
    ``short`` says that the last grant was less than was asked for: who needs more waits until an
    attempt has closed.
    ``stale`` counts the asks that came too late, one after the other.
    ``refused`` is why nothing starts any more: the end comes when nothing is open.
    ``limit_usd`` is the collaboration's own budget.
    """

    n: Count = 0
    asked: Count = 0
    asked_for: str | None = None
    parts: Count = 0
    queued: bool = False
    unused: dict[str, Amount] = {}
    unpriced: dict[str, Count] = {}
    slots: Count = 0
    short: bool = False
    stale: Count = 0
    refused: Fault | None = None
    limit_usd: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(limit_usd=self.limit_usd)


class Ending(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The terminal event that waits for open calls to report (R14)."""

    kind: Literal["completed", "failed", "cancelled", "expired"]
    step: str | None = None
    attempt: Ordinal | None = None
    fault: Fault | None = None
    actor: str | None = None
    reason: str | None = None


class CollaborationState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything ``decide`` knows about one collaboration.

    ``now_ms`` is max(own now, record time) of what was read.
    After the terminal event this shrinks to a stub: ``definition``, ``timers``, ``outputs`` and
    every text are dropped; steps keep their status, calls their money (R14, R37).
    ``funds`` is null where nobody keeps accounts.
    """

    tenant: str
    collaboration: str
    project: str
    actor: str
    status: CollaborationStatus
    logic: Ordinal
    workflow: str
    workflow_version: str
    body_digest: str
    stream_start: Count
    task: Text
    created_ms: Count
    now_ms: Count
    seq: Count = 0
    definition: Definition | None = None
    inputs: dict[str, Any] = {}
    priority: Literal["interactive", "batch"] = "interactive"
    steps: dict[str, StepState] = {}
    outputs: dict[str, StepOutput] = {}
    calls: dict[str, CallState] = {}
    timers: tuple[Timer, ...] = ()
    clients: tuple[str, ...] = ()
    ending: Ending | None = None
    funds: FundsState | None = None


class CollaborationSnapshot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record of ``collaboration-state``: the state after the inbox record at ``applied``.

    ``offsets`` are its inbox offsets, delta-coded: the first, then differences (R28).
    """

    applied: Count
    state: CollaborationState
    offsets: tuple[Count, ...] = ()
