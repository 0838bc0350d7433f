"""Settings of rate limits and breakers."""

from typing import Annotated

from pydantic import Field

from facilitair_agent_worker.admission import AdmissionRules
from facilitair_agent_worker.breaker import BreakerRules
from facilitair_events.definitions import RateLimits
from facilitair_runtime.settings import Group


class BreakerGroup(Group):
    """When a model is not asked any more, because its provider fails."""

    failures: Annotated[int, Field(ge=1)] = Field(
        5, description="Calls in a row that fail before a model is left alone."
    )
    open_s: Annotated[float, Field(gt=0)] = Field(
        10.0, description="How long it is left alone before one call tries again."
    )
    growth: Annotated[float, Field(ge=1, le=10)] = Field(
        2.0, description="By how much that grows each time the call that tries fails too."
    )
    longest_s: Annotated[float, Field(gt=0)] = Field(300.0, description="The longest that it gets.")
    barred_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="How long at least, when the provider refused the key."
    )


class ModelLimits(Group):
    """What one model, or all of a provider's, may be asked for in a minute."""

    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None


class RatesGroup(Group):
    """How fast models may be asked."""

    limits: dict[str, ModelLimits] = Field(
        {},
        description='Limits by "provider/model" or "provider", each with requests_per_minute and'
        " tokens_per_minute; they win over the catalog's.",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="This worker's part of every limit: with four workers, 0.25."
    )
    wait_s: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="An attempt that has to wait longer for a limit is sent back to be retried;"
        " default is a tenth of lease_s.",
    )


def admission_rules(
    breaker: BreakerGroup, rates: RatesGroup, *, lease_s: float, calls_in_flight: int
) -> AdmissionRules:
    """Waiting attempts leave half of the handlers to others: a loop has two for each call."""
    return AdmissionRules(
        breaker=BreakerRules(**breaker.model_dump()),
        wait_s=lease_s / 10 if rates.wait_s is None else rates.wait_s,
        waiting=max(calls_in_flight // 2, 1),
        limits={name: RateLimits(**of.model_dump()) for name, of in rates.limits.items()},
        share=rates.share,
    )
