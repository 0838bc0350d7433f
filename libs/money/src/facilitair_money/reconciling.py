"""Reconciling: what calls of unknown outcome did cost, as somebody has learnt."""

from collections.abc import Iterator

from msgspec.structs import replace

from facilitair_events.accounts import CallCorrection, ReconcileRequested
from facilitair_events.balances import EnvelopeState, UnknownCall
from facilitair_events.books import CallReconciled
from facilitair_events.requests import Fault
from facilitair_money import clients, spending, usage, warnings
from facilitair_money.amounts import ZERO, minus, plus
from facilitair_money.bounds import CORRECTIONS, RECONCILED_CALLS
from facilitair_money.draft import Draft


def on_reconcile_requested(draft: Draft, data: ReconcileRequested) -> None:
    """Set the money of calls, of all that are named or of none."""
    if clients.is_repeat(draft, data.client_id):
        clients.answer(draft, data.reply_to, outcome="duplicate")
        return
    faults = tuple(_faults(draft, data))
    if faults:
        clients.answer(draft, data.reply_to, outcome="refused", faults=faults)
        return
    clients.remember(draft, data.client_id)
    for correction in data.corrections:
        call = draft.unknown.pop(correction.call_id)
        if call is not None:
            _correct(draft, correction, call=call, data=data)
    clients.answer(draft, data.reply_to, outcome="accepted")


def _correct(
    draft: Draft, correction: CallCorrection, *, call: UnknownCall, data: ReconcileRequested
) -> None:
    usd = minus(correction.cost_usd, call.charged_usd)
    counted = EnvelopeState(n=0, asked_ms=0, project=call.project, actor=call.actor)
    spending.spend(draft, counted, agent=call.agent, usd=usd, since_ms=call.at_ms)
    envelope = draft.envelopes.get(call.collaboration)
    if envelope is not None and not envelope.closed:
        total = max(ZERO, plus(envelope.spent_usd or ZERO, usd))
        draft.envelopes.put(call.collaboration, replace(envelope, spent_usd=total))
    draft.reconciled.set(correction.call_id, replace(call, charged_usd=correction.cost_usd))
    while len(draft.reconciled) > RECONCILED_CALLS:
        draft.reconciled.pop_oldest()
    draft.emit(
        CallReconciled,
        collaboration=call.collaboration,
        call_id=correction.call_id,
        agent=call.agent,
        workflow=call.workflow,
        charged_usd=correction.cost_usd,
        was_usd=call.charged_usd,
        actor=data.actor,
        reason=data.reason,
        source=data.source,
        model=call.model,
        provider=call.provider,
    )
    usage.reconciled(draft, call, usd=usd)
    warnings.after_charge(draft, call.collaboration, envelope=counted, agent=call.agent)


def _faults(draft: Draft, data: ReconcileRequested) -> Iterator[Fault]:
    if not data.corrections:
        yield Fault(code="empty", message="name at least one call", field="corrections")
    if len(data.corrections) > CORRECTIONS:
        yield Fault(
            code="too_many",
            message=f"send at most {CORRECTIONS:,} corrections at once",
            field="corrections",
        )
        return
    seen: set[str] = set()
    for index, correction in enumerate(data.corrections):
        field = f"corrections[{index}].call_id"
        if correction.call_id in seen:
            yield Fault(code="duplicate", message="this call is named twice", field=field)
        elif correction.call_id not in draft.unknown:
            yield Fault(
                code="call_not_unknown",
                message=(
                    "no call of this id is listed as unknown; it may have been reconciled before,"
                    " or its result may have come after all"
                ),
                field=field,
            )
        seen.add(correction.call_id)
