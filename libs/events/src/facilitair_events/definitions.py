"""A workflow as a collaboration carries it: resolved, versioned, complete.

The gateway resolves names and labels into one ``Definition``.
The reducer and the worker never look anything up.
"""

from typing import Any, Literal

from msgspec import Struct

from facilitair_events.numbers import Amount, Count, Ordinal, Seconds, check_amounts


class Prices(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """USD for one million tokens of each kind. A kind without a price costs an unknown amount."""

    input: Amount | None = None
    output: Amount | None = None
    cached_input: Amount | None = None
    reasoning: Amount | None = None

    def __post_init__(self) -> None:
        check_amounts(
            input=self.input,
            output=self.output,
            cached_input=self.cached_input,
            reasoning=self.reasoning,
        )


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that an agent may be run on. ``name`` is what the provider is asked for."""

    name: str
    provider: str
    context_window: Ordinal | None = None
    max_output_tokens: Ordinal | None = None
    prices: Prices | None = None
    simulated: bool = False


class Agent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An LLM agent: who it is, what it is told, and which models may speak for it.

    ``models`` is ordered; the first is asked first.
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
    The wait before retry n is ``backoff_s * factor ** (n - 1)``, at most ``max_backoff_s``.
    """

    max_attempts: Ordinal = 3
    max_lost: Count = 5
    backoff_s: Seconds = 1.0
    factor: float = 2.0
    max_backoff_s: Seconds = 30.0


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
    """

    id: str
    needs: tuple[str, ...] = ()
    when: str | None = None
    agent: str | None = None
    input: str | None = None
    output: Output = Output()
    timeout_s: Seconds = 600.0
    retry: Retry = Retry()
    repeat: Repeat | None = None
    steps: tuple["Step", ...] = ()


class Definition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One resolved workflow. ``output`` names the step whose latest output is the result.

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
