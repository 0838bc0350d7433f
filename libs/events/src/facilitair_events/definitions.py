"""A workflow as a collaboration carries it: resolved, versioned, complete.

The gateway resolves names and labels into one ``Definition``.
The reducer and the worker never look anything up.
"""

from typing import Any, Literal

from msgspec import Struct

from facilitair_events.instants import Instant
from facilitair_events.numbers import Amount, Count, Ordinal, Seconds, Share, check_amounts


class PriceTier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Prices of a call whose input, cached tokens included, is over ``above_input_tokens``.

    They take the place of all prices of the model, for all tokens of the call.
    """

    above_input_tokens: Ordinal
    input: Amount | None = None
    output: Amount | None = None
    cached_input: Amount | None = None
    cache_write: Amount | None = None
    cache_write_1h: Amount | None = None
    reasoning: Amount | None = None

    def __post_init__(self) -> None:
        _check_prices(self)


class Prices(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """USD for one million tokens of each kind. A kind without a price costs an unknown amount.

    ``cache_write`` is for tokens that the provider put into its cache, ``cache_write_1h`` for those
    that it keeps there for an hour.
    ``tiers`` are in the order of their bounds; the last one that a call is over counts.
    ``version`` says where the prices come from and of when they are.
    From ``until`` on they are no longer known.
    """

    input: Amount | None = None
    output: Amount | None = None
    cached_input: Amount | None = None
    reasoning: Amount | None = None
    cache_write: Amount | None = None
    cache_write_1h: Amount | None = None
    tiers: tuple[PriceTier, ...] = ()
    version: str | None = None
    until: Instant | None = None

    def __post_init__(self) -> None:
        _check_prices(self)


def _check_prices(prices: PriceTier | Prices) -> None:
    check_amounts(
        input=prices.input,
        output=prices.output,
        cached_input=prices.cached_input,
        cache_write=prices.cache_write,
        cache_write_1h=prices.cache_write_1h,
        reasoning=prices.reasoning,
    )


class RateLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much a provider takes in a minute; null where nobody said."""

    requests_per_minute: Ordinal | None = None
    tokens_per_minute: Ordinal | None = None


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that an agent may be run on. ``name`` is what the provider is asked for.

    ``capabilities`` are of ``tools``, ``json_schema``, ``images`` and ``reasoning``; null means
    unknown.
    ``tags`` say where it runs and who allowed it, in the words of whoever runs this.
    ``omit`` names what its provider refuses to be told for it, such as ``temperature``.
    ``overridden`` names the fields that an operator set in place of the seed's.
    """

    name: str
    provider: str
    context_window: Ordinal | None = None
    max_output_tokens: Ordinal | None = None
    prices: Prices | None = None
    simulated: bool = False
    capabilities: tuple[str, ...] | None = None
    limits: RateLimits | None = None
    tags: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()


class Agent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An LLM agent: who it is, what it is told, and which models may speak for it.

    ``models`` is ordered: the first is asked first, the next one when that is of no use now.
    """

    name: str
    version: str
    role: str
    prompt: str
    prompt_name: str
    prompt_version: str
    models: tuple[Model, ...]
    temperature: float | None = None
    max_output_tokens: Ordinal | None = None


class Retry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often a step may be tried again.

    ``max_attempts`` bounds attempts that failed with a retryable fault, the first included.
    ``max_lost`` bounds attempts that ended as unknown or void because a worker went away.
    The wait before retry n is ``backoff_s * factor ** (n - 1)``, at most ``max_backoff_s``;
    a share of up to ``jitter`` of it is taken off, another one for each attempt.
    ``deadline_s`` is for all attempts together, from the first: none begins after it.
    """

    max_attempts: Ordinal = 3
    max_lost: Count = 5
    backoff_s: Seconds = 1.0
    factor: float = 2.0
    max_backoff_s: Seconds = 30.0
    jitter: Share = 0.5
    deadline_s: Seconds | None = None


class Endings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a step does about an answer that did not come to its own end; never a silent success.

    ``length``: the limit of output tokens was reached.
    ``refusal``: the model declined.
    ``content_filter``: the provider withheld the rest.
    ``cut``: the stream broke after the first words.
    ``continue`` asks to go on from there, ``larger`` asks again with twice the limit, ``fallback``
    asks the agent's next model, ``retry`` does as ``retry`` of the step says, ``partial`` takes the
    answer and marks it, ``fail`` fails the step.
    ``max`` bounds how often a step may ``continue`` or ask for a ``larger`` answer; then it fails.
    """

    length: Literal["fail", "continue", "larger", "partial"] = "fail"
    refusal: Literal["fail", "fallback", "partial"] = "fail"
    content_filter: Literal["fail", "fallback", "partial"] = "fail"
    cut: Literal["retry", "continue", "partial", "fail"] = "retry"
    max: Count = 3


class Repeat(Struct, frozen=True, kw_only=True):
    """Run a group of steps until the CEL expression ``until`` is true, at most ``max`` times."""

    until: str
    max: Ordinal


class Output(
    Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"json_schema": "schema"}
):
    """What a step must answer with.

    ``corrections`` bounds the further attempts that are told what was wrong with an answer.
    """

    kind: Literal["text", "json", "files"] = "text"
    json_schema: dict[str, Any] | None = None
    corrections: Count = 2


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: either an agent with an input template, or a repeated group of steps.

    ``needs`` names steps of the same group; ``when`` is a CEL expression.
    ``budget_usd`` is the most that all calls of the step may cost together, in all iterations.
    """

    id: str
    needs: tuple[str, ...] = ()
    when: str | None = None
    agent: str | None = None
    input: str | None = None
    output: Output = Output()
    timeout_s: Seconds = 600.0
    retry: Retry = Retry()
    endings: Endings = Endings()
    repeat: Repeat | None = None
    steps: tuple["Step", ...] = ()
    budget_usd: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(budget_usd=self.budget_usd)


class Definition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One resolved workflow. ``output`` names the step whose latest output is the result.

    ``budget_usd`` is the most that a collaboration may cost.
    ``on_budget`` says what follows when money is refused: ``finish`` what runs and fail, ``pause``
    until somebody resumes it, or go on with ``cheaper`` models of the agents.

    ``digest`` is the sha256 of the canonical JSON of everything else.
    """

    workflow: str
    version: str
    digest: str
    description: str
    steps: tuple[Step, ...]
    agents: dict[str, Agent]
    output: str
    timeout_s: Seconds = 3600.0
    budget_usd: Amount | None = None
    on_budget: Literal["finish", "pause", "cheaper"] = "finish"

    def __post_init__(self) -> None:
        check_amounts(budget_usd=self.budget_usd)
