"""What a file says about money: ``budget`` of a workflow and of a step."""

from decimal import Decimal, InvalidOperation
from typing import Final, Literal, cast

from msgspec import Struct

from facilitair_workflows.fields import Fields
from facilitair_workflows.yaml_positions import YamlMap, YamlScalar

MOST_USD: Final = Decimal(1_000_000)
_FINEST: Final = -9
_KINDS: Final = ("finish", "pause", "cheaper")

OnBudget = Literal["finish", "pause", "cheaper"]


class WorkflowBudget(Struct, frozen=True, kw_only=True):
    """The most that a collaboration may cost, and what follows when money is refused."""

    usd: Decimal | None = None
    on_exceeded: OnBudget = "finish"


def read_budget(workflow: Fields) -> WorkflowBudget:
    """``budget: 2.50`` or ``budget: {usd: 2.50, on_exceeded: pause}``."""
    node = workflow.value("budget")
    if not isinstance(node, YamlMap):
        return WorkflowBudget(usd=read_usd(workflow, "budget"))
    what = f"budget of {workflow.what}"
    fields = Fields(node, known=("usd", "on_exceeded"), what=what, findings=workflow.findings)
    if not fields.has("usd") and not fields.has("on_exceeded"):
        workflow.fault("budget", f"{what} says nothing; it has 'usd', 'on_exceeded', or both")
    word = fields.word("on_exceeded", of=_KINDS) or "finish"
    return WorkflowBudget(usd=read_usd(fields, "usd"), on_exceeded=cast("OnBudget", word))


def read_usd(fields: Fields, key: str) -> Decimal | None:
    """An amount over 0 in USD, as a number or in quotes; what is written counts, digit by digit."""
    node = fields.value(key)
    if node is None:
        return None
    value = node.value if isinstance(node, YamlScalar) else None
    usd = None if isinstance(value, bool) or value is None else _decimal(str(value))
    if usd is None:
        fields.fault(key, f"{key!r} must be an amount of USD such as 2.50")
    elif not 0 < usd <= MOST_USD:
        fields.fault(key, f"{key!r} must be over 0 and at most {MOST_USD}, is {value}")
    elif cast("int", usd.as_tuple().exponent) < _FINEST:
        fields.fault(key, f"{key!r} has more than {-_FINEST} digits after the point")
    else:
        return usd
    return None


def _decimal(text: str) -> Decimal | None:
    try:
        usd = Decimal(text)
    except InvalidOperation:
        return None
    return usd if usd.is_finite() else None
