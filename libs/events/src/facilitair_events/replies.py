"""Answers on ``query-replies``: no event, no seq, matched by correlation (R15)."""

from typing import Any, Literal

from msgspec import Struct

from facilitair_events.collaboration import Totals
from facilitair_events.instants import Instant
from facilitair_events.numbers import Amount, Count, Ordinal, check_amounts
from facilitair_events.requests import CallOutcome, Fault
from facilitair_events.text import Text

CollaborationStatus = Literal[
    "queued", "refused", "accepted", "running", "paused", "finishing", "cancelling",
    "completed", "failed", "cancelled", "expired",
]  # fmt: skip
StepStatus = Literal[
    "waiting", "running", "retrying", "awaiting_human", "completed", "failed", "skipped", "stopped",
    "rolled_back",
]  # fmt: skip
"""All that will ever be: a value that is added later could not be read by who does not know it."""


class StepView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step as ``describe`` shows it. ``path`` carries iteration numbers, ``step`` is its id.

    ``partial`` is the code of the fault that left its answer unfinished.
    ``funding`` is why the attempt that waits for money or a slot is made; null while none waits.
    ``reserved_usd`` is the most that the open attempt's call may cost.
    """

    path: str
    step: str
    status: StepStatus
    agent: str | None = None
    attempt: Count = 0
    iterations: Count = 0
    totals: Totals = Totals()
    output: Text | None = None
    value: Any = None
    fault: Fault | None = None
    partial: str | None = None
    funding: str | None = None
    reserved_usd: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(reserved_usd=self.reserved_usd)


class CallView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call as ``…/cost`` shows it; its cost is null where the model has no known price.

    ``charged_usd`` is what the account was told; null where nobody keeps accounts.
    """

    call_id: str
    path: str
    attempt: Ordinal
    outcome: CallOutcome
    totals: Totals
    agent: str | None = None
    model: str | None = None
    charged_usd: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(charged_usd=self.charged_usd)


class CollaborationView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a collaboration is doing, as far as its inbox was read.

    ``budget_usd`` is the most that it may cost, where it has a budget of its own.
    ``reserved_usd`` is what the account set aside for it and no outcome has used; it and ``slots``
    are null where nobody keeps accounts.
    """

    id: str
    status: CollaborationStatus
    workflow: str
    workflow_version: str
    project: str
    actor: str
    task: Text
    created_at: Instant
    updated_at: Instant
    steps: tuple[StepView, ...] = ()
    calls: tuple[CallView, ...] = ()
    totals: Totals = Totals()
    fault: Fault | None = None
    output_step: str | None = None
    output: Text | None = None
    budget_usd: Amount | None = None
    reserved_usd: Amount | None = None
    slots: Count | None = None

    def __post_init__(self) -> None:
        check_amounts(budget_usd=self.budget_usd, reserved_usd=self.reserved_usd)


class RequestAnswered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a request, steering or describe.

    ``outcome``: accepted, duplicate (same request again), conflict (same key, other body),
    refused (``faults`` say why), described (``view`` is set), unknown (no such collaboration).
    ``stream_start`` is the offset from which the stream of this collaboration can be read.
    """

    correlation: str
    collaboration: str
    outcome: Literal["accepted", "duplicate", "conflict", "refused", "described", "unknown"]
    status: CollaborationStatus | None = None
    stream_start: Count | None = None
    last_seq: Count = 0
    faults: tuple[Fault, ...] = ()
    view: CollaborationView | None = None
