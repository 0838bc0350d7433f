"""What administrators ask of the account of a ``ScriptedRun``'s tenant."""

from msgspec import Struct

from facilitair_events.accounts import (
    BudgetRequested,
    CallCorrection,
    ReconcileRequested,
)
from facilitair_events.budgets import Budget
from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.requests import ReplyTo
from facilitair_events.text import personal
from facilitair_events.topics import ACCOUNT_REQUESTS, QUERY_REPLIES
from facilitair_messaging.messages import message
from facilitair_testing.scripted_run import TENANT, ScriptedRun


def set_budget(run: ScriptedRun, budget: Budget) -> None:
    """Set what the tenant may spend."""
    number = next(run.numbers)
    to = ReplyTo(topic=QUERY_REPLIES, correlation=f"r{number}")
    data = BudgetRequested(client_id=f"b{number}", actor="me", budget=budget, reply_to=to)
    _tell(run, data, correlation=to.correlation)


def reconcile(run: ScriptedRun, *corrections: CallCorrection, reason: str = "an invoice") -> None:
    """Say what calls of unknown outcome did cost."""
    number = next(run.numbers)
    data = ReconcileRequested(
        client_id=f"b{number}", actor="me", corrections=corrections, reason=personal(reason)
    )
    _tell(run, data, correlation=f"r{number}")


def _tell(run: ScriptedRun, data: Struct, *, correlation: str) -> None:
    envelope = Envelope(
        id=f"ask-{correlation}", type=type_name(data), source="gateway",
        time=timestamp(run.now_ms), subject=TENANT, tenant=TENANT, project="default", actor="me",
        correlation=correlation,
    )  # fmt: skip
    run.append([message(topic=ACCOUNT_REQUESTS, key=TENANT, data=data, envelope=envelope)])
    run.decide()
