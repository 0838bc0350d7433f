"""What happens about money, told to people: what was asked, what is left, what to do next. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from facilitair_cli.terminal_text import harmless
from facilitair_cli.wording import fault_text, money, spent
from facilitair_client import Charged, Cost, Event, Refusal, Totals, Transcript

_POLICIES: Final = {
    "finish": "what runs goes on to its end, and nothing new begins",
    "pause": "it is paused until somebody resumes it",
    "cheaper": "it goes on with a cheaper model",
}


def announcement(event: Event, transcript: Transcript) -> str | None:
    """The line for an event of money or of a pause; None for any other."""
    ident = transcript.collaboration or "ID"
    if event.kind == "budget.reserved":
        return reserved(event.data)
    if event.kind == "budget.refused" and transcript.refusal is not None:
        policy = transcript.refusal_policy or ""
        return "; ".join((refused(transcript.refusal), *_then(policy)))
    if event.kind == "collaboration.paused":
        why = "; ".join(fault_text(fault) for fault in transcript.faults) or "paused"
        return harmless(
            f"paused: {why}. Go on: facilitair resume {ident} [--budget USD]."
            f" End it: facilitair cancel {ident}"
        )
    return "resumed" if event.kind == "collaboration.resumed" else None


def reserved(data: dict[str, Any]) -> str:
    """What was set aside; nothing to tell where no call has a price."""
    usd, calls = data.get("usd"), data.get("calls", 0)
    amount = "calls without a known price" if usd is None else money(Decimal(usd))
    of = f" for {calls} {'call' if calls == 1 else 'calls'}" if usd is not None else ""
    slots = data.get("slots", 0)
    return f"reserved {amount}{of}" + (f", {slots} at once" if slots else "")


def refused(refusal: Refusal) -> str:
    """What was asked, what is left and when that turns, as the account says it; then what to do."""
    parts = [f"money refused: {refusal.message.rstrip('.')}", *_standing(refusal)]
    parts.append(f"what to do: {_advice(refusal)}")
    return harmless("; ".join(parts))


def breakdown(transcript: Transcript) -> Iterator[str]:
    """What each agent and each model used, where there are several."""
    for what in ("agent", "model"):
        groups = transcript.spent_by("agent" if what == "agent" else "model")
        if len(groups) > 1:
            for name, totals in groups.items():
                yield harmless(f"  {what} {name}: {_calls(totals)}, {spent(totals)}")


def money_lines(cost: Cost) -> Iterator[str]:
    """What a collaboration is charged and may still spend, and what each agent and model used."""
    for what, rows in (("agent", cost.agents), ("model", cost.models)):
        for row in rows:
            totals = msgspec.convert(row, Charged, strict=False)
            yield harmless(f"  {what} {row[what]}: {_calls(totals)}, {spent(totals)}")
    totals = cost.totals
    if totals.charged_usd is not None:
        unknown = totals.unknown_usd or Decimal(0)
        of = f", {money(unknown)} of it for calls whose outcome is unknown" if unknown else ""
        yield f"charged to the account: {money(totals.charged_usd)}{of}"
    if totals.unpriced_calls:
        yield f"without a known price, and not charged: {_calls_of(totals.unpriced_calls)}"
    if cost.reserved_usd:
        yield f"reserved: {money(cost.reserved_usd)}"
    if cost.budget_usd is not None:
        yield f"budget of its own: {money(cost.budget_usd)}"


def so_far(transcript: Transcript) -> str:
    """What was used until now; empty before the first call has ended."""
    totals = transcript.running_totals
    return f"{_calls(totals)}, {spent(totals)}" if totals.calls else ""


def _calls(totals: Totals) -> str:
    return _calls_of(totals.calls)


def _calls_of(count: int) -> str:
    return f"{count} {'call' if count == 1 else 'calls'}"


def _standing(refusal: Refusal) -> Iterator[str]:
    if refusal.spent_usd is not None and refusal.reserved_usd is not None:
        yield f"{money(refusal.spent_usd)} spent, {money(refusal.reserved_usd)} reserved"


def _advice(refusal: Refusal) -> str:
    if refusal.code == "price_unknown":
        return (
            "choose a model with a known price (facilitair models ls), or let calls without one"
            " pass: facilitair budget set --unpriced allow"
        )
    if refusal.limit_usd is None or refusal.window is None:
        return "look at facilitair budget show"
    if refusal.scope is None:
        return "raise the budget of the step in its workflow, or choose a cheaper model"
    if refusal.scope == "collaboration":
        return (
            "give it more (--budget of facilitair run, or of facilitair resume when it is paused;"
            " the workflow's own is in its file, and the tenant's limit is facilitair budget set"
            " --limit collaboration/total=USD), or choose a cheaper model"
        )
    named = refusal.scope != "tenant" and refusal.name and refusal.name != "*"
    of = f":{refusal.name}" if named else ""
    wait = "wait until it turns, " if refusal.turns_at is not None else ""
    return (
        f"raise it (facilitair budget set --limit {refusal.scope}{of}/{refusal.window}=USD),"
        f" {wait}or use cheaper models"
    )


def _then(policy: str) -> tuple[str, ...]:
    return (_POLICIES[policy],) if policy in _POLICIES else ()
