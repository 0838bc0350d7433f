"""What a call cost, and counting where nobody can tell."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from facilitair_agent_worker.calling import Answer
from facilitair_events.definitions import Model
from facilitair_llm.catalog import cost_usd
from facilitair_llm.model_entries import is_own
from facilitair_llm.model_names import is_same_model
from facilitair_observability import names
from facilitair_observability.metrics import Metrics


def cost_of(
    answer: Answer, model: Model, *, wall_ms: Callable[[], int], metrics: Metrics
) -> Decimal | None:
    """What a call cost in USD. None where that is unknown, which is counted and never 0.

    The provider's own word counts where it is asked for it.
    The price of one model says nothing of another that answered in its place; one that an operator
    set is for whatever answers to that name.
    The clock only tells whether prices are still those of their version.
    """
    if answer.free:
        return Decimal(0)
    if answer.cost_usd is not None:
        return answer.cost_usd
    if answer.usage is None:
        metrics.count(names.CALL_COST_UNKNOWN, provider=model.provider, reason="usage")
        return None
    if _is_other(answer, model):
        metrics.count(names.CALL_COST_UNKNOWN, provider=model.provider, reason="other_model")
        return None
    at = datetime.fromtimestamp(wall_ms() / 1000, tz=UTC)
    cost = cost_usd(model.prices, answer.usage, at=at)
    if cost is None:
        metrics.count(names.CALL_COST_UNKNOWN, provider=model.provider, reason="price")
    return cost


def _is_other(answer: Answer, model: Model) -> bool:
    if answer.model is None or (model.prices is not None and is_own(model.prices)):
        return False
    return not is_same_model(model.name, answer.model)
