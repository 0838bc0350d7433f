"""What the API answers, as frozen Structs; fields that this version does not know are ignored."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from facilitair_client.events import TERMINAL_KINDS


class Submitted(Struct, frozen=True, kw_only=True):
    """A collaboration was asked for; ``cursor`` is from before its first event."""

    id: str
    status: str
    stream: str
    cursor: str


class PersonalText(Struct, frozen=True):
    """A string as the API shows it; with a key ``k`` it is encrypted."""

    k: str | None
    v: str


class ArtifactReference(Struct, frozen=True, kw_only=True):
    """Where a long text lies."""

    uri: str
    sha256: str
    size: int


class Text(Struct, frozen=True, kw_only=True):
    """A text, inline or as an artifact; ``size`` counts UTF-8 bytes."""

    size: int
    text: PersonalText | None = None
    artifact: ArtifactReference | None = None

    @property
    def inline(self) -> str | None:
        """The text itself; null when it is too long to travel inline, or cannot be read."""
        return self.text.v if self.text is not None and self.text.k is None else None


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens as the provider counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    estimated: bool = False


class Totals(Struct, frozen=True, kw_only=True):
    """What was used; ``cost_usd`` is null when a call has no known price."""

    usage: Usage = Usage()
    calls: int = 0
    cost_usd: Decimal | None = None
    unknown_calls: int = 0
    simulated: bool = False


class Refusal(Struct, frozen=True, kw_only=True):
    """Why money was refused: what was asked, what is left of which limit, when its window turns."""

    code: str
    message: str
    asked_usd: Decimal | None = None
    left_usd: Decimal | None = None
    scope: str | None = None
    name: str | None = None
    window: str | None = None
    limit_usd: Decimal | None = None
    spent_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    turns_at: datetime | None = None


class Fault(Struct, frozen=True, kw_only=True):
    """Why something did not work; ``quote`` is what a user, model or provider said."""

    code: str
    message: str
    retryable: bool = False
    field: str | None = None
    quote: PersonalText | None = None


class Step(Struct, frozen=True, kw_only=True):
    """A step of a collaboration; ``path`` carries iteration numbers, ``step`` is its id.

    ``partial`` is the code of what left its answer unfinished; null for a whole one.
    ``funding`` is set while an attempt waits for money or a slot.
    ``reserved_usd`` is the most that the call in progress may cost.
    """

    path: str
    step: str
    status: str
    agent: str | None = None
    attempt: int = 0
    iterations: int = 0
    totals: Totals = Totals()
    output: Text | None = None
    fault: Fault | None = None
    partial: str | None = None
    funding: str | None = None
    reserved_usd: Decimal | None = None


class Collaboration(Struct, frozen=True, kw_only=True):
    """What a collaboration is doing.

    ``budget_usd`` is its own budget, if it has one; ``reserved_usd`` and ``slots`` are what the
    account set aside for it, null where nobody keeps accounts.
    """

    id: str
    status: str
    workflow: str
    workflow_version: str
    project: str
    task: Text
    created_at: datetime
    updated_at: datetime
    steps: tuple[Step, ...] = ()
    totals: Totals = Totals()
    fault: Fault | None = None
    output_step: str | None = None
    last_seq: int = 0
    budget_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    slots: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return f"collaboration.{self.status}" in TERMINAL_KINDS


class Charged(Totals, frozen=True, kw_only=True):
    """Totals, and what the tenant's account counts for them; null where nobody keeps accounts.

    ``unknown_usd`` is the part of it that was charged at its reservation, because nobody knows the
    outcome; ``unpriced_calls`` are not in it.
    """

    charged_usd: Decimal | None = None
    unknown_usd: Decimal | None = None
    unpriced_calls: int = 0


class Call(Charged, frozen=True, kw_only=True):
    """One model call with its cost."""

    call_id: str
    path: str
    attempt: int
    outcome: str
    agent: str | None = None
    model: str | None = None


class Cost(Struct, frozen=True, kw_only=True):
    """What a collaboration cost; the rows repeat the totals by step, agent and model."""

    id: str
    status: str
    currency: str
    totals: Charged
    budget_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    slots: int | None = None
    steps: tuple[dict[str, Any], ...] = ()
    agents: tuple[dict[str, Any], ...] = ()
    models: tuple[dict[str, Any], ...] = ()
    calls: tuple[Call, ...] = ()


class Workflow(Struct, frozen=True, kw_only=True):
    """A workflow that can be run."""

    name: str
    version: str
    description: str = ""


class Agent(Struct, frozen=True, kw_only=True):
    """An agent that workflows use."""

    name: str
    version: str
    role: str = ""
    description: str = ""
