"""Commands to the agent workers, and their ledger of calls."""

from typing import Any, Literal

from msgspec import Struct

from facilitair_events.definitions import Agent, Output
from facilitair_events.numbers import Amount, Count, Ordinal, Seconds, check_amounts
from facilitair_events.requests import CallOutcome, Fault, Usage
from facilitair_events.text import Text


class StepOutput(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest output of a step id, as templates and expressions see it.

    ``json`` says that the text is JSON.
    ``value`` is its decoded form unless the text is over ``STATE_LIMIT_BYTES``.
    """

    text: Text
    json: bool = False
    value: Any = None


class FinishedCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call of an earlier attempt that is reused when its request digest is unchanged (R22)."""

    call_id: str
    request_digest: str
    output: Text
    model: str
    finish_reason: str | None = None
    usage: Usage | None = None


class Correction(Struct, frozen=True, kw_only=True):
    """An answer of an earlier attempt that broke the declared output, and what was wrong."""

    output: Text
    fault: Fault


class RunAttempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Run one attempt at a step: render ``input``, ask the agent's model, stream, report.

    ``path`` is the step's path with iteration numbers, ``step`` its id.
    ``outputs`` holds the latest output of every step id that was complete when this was decided.
    ``model_index`` says which of the agent's models is asked.
    ``continued`` is the beginning of the answer, from earlier attempts: the model goes on from it.
    ``max_output_tokens`` stands in for the agent's own limit.
    ``reserved_usd`` is the most that its call may cost; null where nothing bounds it.
    """

    collaboration: str
    path: str
    step: str
    attempt: Ordinal
    agent: Agent
    input: str
    task: Text
    timeout_s: Seconds
    project: str
    actor: str
    output: Output = Output()
    inputs: dict[str, Any] = {}
    outputs: dict[str, StepOutput] = {}
    iteration: Ordinal = 1
    finished: tuple[FinishedCall, ...] = ()
    correction: Correction | None = None
    priority: Literal["interactive", "batch"] = "interactive"
    model_index: Count = 0
    continued: Text | None = None
    max_output_tokens: Ordinal | None = None
    reserved_usd: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(reserved_usd=self.reserved_usd)


class AttemptRef(Struct, frozen=True):
    """Names an attempt of a collaboration."""

    path: str
    attempt: Ordinal


class StopAttempts(Struct, frozen=True, kw_only=True):
    """Stop these attempts within one chunk; every worker reads it (R23)."""

    collaboration: str
    attempts: tuple[AttemptRef, ...]
    reason: str


class CallClaimed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process wants to make a call; the first claim of a call id in the log may (R19).

    ``nonce`` is fresh for each claim, ``incarnation`` names the process.
    ``fence`` says that nothing will be asked: it keeps a silent claimant from going on (R20).
    """

    call_id: str
    nonce: str
    incarnation: str
    path: str
    attempt: Ordinal
    index: Count
    fence: bool = False


class CallRenewed(Struct, frozen=True, kw_only=True):
    """The claimant still works on the attempt (R20)."""

    call_id: str
    nonce: str
    path: str
    attempt: Ordinal


class CallVoided(Struct, frozen=True, kw_only=True):
    """The claimant walked away before any request (R19)."""

    call_id: str
    nonce: str
    path: str
    attempt: Ordinal


class CallDone(Struct, frozen=True, kw_only=True):
    """The call's outcome is in the inbox (R20). ``last`` says that its attempt is closed too."""

    call_id: str
    nonce: str
    path: str
    attempt: Ordinal
    outcome: CallOutcome
    last: bool


class LedgerTicked(Struct, frozen=True, kw_only=True):
    """The owner of a partition moves the log's time while a foreign call is open (R20)."""

    incarnation: str
