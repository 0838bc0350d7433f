"""What happens to a collaboration: the records of ``collaboration-inbox``."""

from typing import Any, Literal

from msgspec import Struct

from facilitair_events.definitions import Definition
from facilitair_events.numbers import Amount, Count, Ordinal, Seconds, check_amounts
from facilitair_events.text import Artifact, Personal, Text

CallOutcome = Literal["completed", "failed", "unknown", "void"]


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something did not work, in words for the user.

    ``code`` is stable snake_case for programs, ``message`` says what to do,
    ``field`` names the input at fault.
    ``retry_after_s`` is when a provider wants to be asked again.
    Faults are kept for ever: what is quoted from users, models or providers stands in ``quote``,
    never in ``message``.
    """

    code: str
    message: str
    retryable: bool = False
    field: str | None = None
    retry_after_s: Seconds | None = None
    quote: Personal | None = None


class ReplyTo(Struct, frozen=True, kw_only=True):
    """Where the answer to a request goes; ``correlation`` is unique for the request."""

    topic: str
    correlation: str


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of one call or of a sum of calls, as the provider counts them.

    Cached tokens and those written to a cache are among the input tokens, those written for an hour
    among the written ones, reasoning tokens among the output tokens.
    ``estimated`` says that some of the counts are our own, because the provider told none.
    """

    input_tokens: Count = 0
    output_tokens: Count = 0
    cached_input_tokens: Count = 0
    reasoning_tokens: Count = 0
    cache_write_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    estimated: bool = False


class CollaborationRequested(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tenant asks for a collaboration; the first one of a key wins.

    ``body_digest`` is of the client's canonical body.
    ``stream_start`` is the end offset of the stream partition, read before this was appended.
    ``logic`` is the version of ``decide`` that this collaboration keeps.
    ``policy`` names the hops that were resolved: ``reserve`` is ``required`` or ``off``.
    ``budget_usd`` is the most that it may cost; the workflow's own stands beside it.
    Exactly one of ``definition`` and ``definition_artifact`` is set.
    """

    collaboration: str
    project: str
    actor: str
    task: Text
    body_digest: str
    stream_start: Count
    logic: Ordinal
    reply_to: ReplyTo | None = None
    definition: Definition | None = None
    definition_artifact: Artifact | None = None
    inputs: dict[str, Any] = {}
    policy: dict[str, str] = {}
    priority: Literal["interactive", "batch"] = "interactive"
    budget_usd: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(budget_usd=self.budget_usd)


class ResumeRequested(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody asks a paused collaboration to go on. ``client_id`` makes a repeat a duplicate.

    ``budget_usd`` takes the place of the collaboration's own budget.
    """

    client_id: str
    actor: str
    budget_usd: Amount | None = None
    reply_to: ReplyTo | None = None

    def __post_init__(self) -> None:
        check_amounts(budget_usd=self.budget_usd)


class CancelRequested(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody asks to end a collaboration. ``client_id`` makes a repeated request a duplicate."""

    client_id: str
    actor: str
    reason: str | None = None
    reply_to: ReplyTo | None = None


class DescribeRequested(Struct, frozen=True, kw_only=True):
    """Somebody asks what a collaboration is doing. It changes nothing and emits no event."""

    reply_to: ReplyTo


class CallReported(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of one model call; the first outcome of a call counts.

    ``completed`` and ``failed`` come from the caller.
    ``unknown`` (silent after the request may have left) and ``void`` (never asked, cost 0) close
    the attempt.
    ``cost_usd`` is null where no price is known.
    A later ``completed`` or ``failed`` sets the call's money, it does not add to it.
    """

    call_id: str
    path: str
    attempt: Ordinal
    index: Count
    outcome: CallOutcome
    model: str | None = None
    request_digest: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cost_usd: Amount | None = None
    simulated: bool = False
    output: Text | None = None
    fault: Fault | None = None
    duration_ms: Count | None = None

    def __post_init__(self) -> None:
        check_amounts(cost_usd=self.cost_usd)


class AttemptReported(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of one attempt at a step, after the outcomes of its calls.

    ``value`` is the decoded JSON of an output that was declared as JSON.
    A failed attempt may carry the ``output`` that was at fault, for the next one to be told.
    ``needed_usd`` is what the call would have needed at most, when its reservation was too small.
    """

    path: str
    attempt: Ordinal
    outcome: Literal["completed", "failed"]
    output: Text | None = None
    value: Any = None
    fault: Fault | None = None
    needed_usd: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(needed_usd=self.needed_usd)


class TimerFired(Struct, frozen=True, kw_only=True):
    """A timer of the state is due; unknown or early ones change nothing.

    ``timer_id`` = uuid5(arming record, name).
    """

    timer_id: str
    name: str


class Parked(Struct, frozen=True, kw_only=True):
    """``decide`` raised on the record at ``offset``; its key waits for this record, then it fails.

    ``reason`` names the error and quotes nothing of the record.
    """

    offset: Count
    reason: str
