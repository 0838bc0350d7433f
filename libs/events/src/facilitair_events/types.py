"""The event types: which name on the wire is which Struct. A name is never reused."""

from typing import Final

from msgspec import Struct

from facilitair_events import (
    accounts,
    balances,
    books,
    catalog,
    collaboration,
    credentials,
    letters,
    replies,
    requests,
    state,
    stream,
    tenants,
    work,
)

TYPES: Final[dict[str, type[Struct]]] = {
    # collaboration-inbox
    "facilitair.collaboration.requested.v1": requests.CollaborationRequested,
    "facilitair.cancel.requested.v1": requests.CancelRequested,
    "facilitair.resume.requested.v1": requests.ResumeRequested,
    "facilitair.describe.requested.v1": requests.DescribeRequested,
    "facilitair.call.reported.v1": requests.CallReported,
    "facilitair.attempt.reported.v1": requests.AttemptReported,
    "facilitair.timer.fired.v1": requests.TimerFired,
    "facilitair.key.parked.v1": requests.Parked,
    "facilitair.funds.answered.v1": accounts.FundsAnswered,
    # collaboration-events and their copies on collaboration-stream
    "facilitair.collaboration.accepted.v1": collaboration.CollaborationAccepted,
    "facilitair.collaboration.refused.v1": collaboration.CollaborationRefused,
    "facilitair.collaboration.completed.v1": collaboration.CollaborationCompleted,
    "facilitair.collaboration.failed.v1": collaboration.CollaborationFailed,
    "facilitair.collaboration.cancelled.v1": collaboration.CollaborationCancelled,
    "facilitair.collaboration.expired.v1": collaboration.CollaborationExpired,
    "facilitair.collaboration.paused.v1": collaboration.CollaborationPaused,
    "facilitair.collaboration.resumed.v1": collaboration.CollaborationResumed,
    "facilitair.budget.reserved.v1": collaboration.BudgetReserved,
    "facilitair.budget.refused.v1": collaboration.BudgetRefused,
    "facilitair.step.scheduled.v1": collaboration.StepScheduled,
    "facilitair.step.started.v1": collaboration.StepStarted,
    "facilitair.step.completed.v1": collaboration.StepCompleted,
    "facilitair.step.failed.v1": collaboration.StepFailed,
    "facilitair.step.skipped.v1": collaboration.StepSkipped,
    "facilitair.attempt.completed.v1": collaboration.AttemptCompleted,
    "facilitair.attempt.failed.v1": collaboration.AttemptFailed,
    "facilitair.attempt.unknown.v1": collaboration.AttemptUnknown,
    # collaboration-stream only
    "facilitair.token.v1": stream.Token,
    "facilitair.attempt.started.v1": stream.AttemptStarted,
    "facilitair.attempt.reset.v1": stream.AttemptReset,
    # collaboration-state
    "facilitair.collaboration.snapshot.v1": state.CollaborationSnapshot,
    # agent-tasks, worker-control
    "facilitair.attempt.run.v1": work.RunAttempt,
    "facilitair.attempts.stop.v1": work.StopAttempts,
    # llm-calls
    "facilitair.call.claimed.v1": work.CallClaimed,
    "facilitair.call.renewed.v1": work.CallRenewed,
    "facilitair.call.voided.v1": work.CallVoided,
    "facilitair.call.done.v1": work.CallDone,
    "facilitair.ledger.ticked.v1": work.LedgerTicked,
    # query-replies
    "facilitair.request.answered.v1": replies.RequestAnswered,
    "facilitair.account.answered.v1": accounts.AccountAnswered,
    # account-requests, beside key.parked
    "facilitair.funds.requested.v1": accounts.FundsRequested,
    "facilitair.call.charged.v1": accounts.CallCharged,
    "facilitair.funds.returned.v1": accounts.FundsReturned,
    "facilitair.budget.requested.v1": accounts.BudgetRequested,
    "facilitair.reconcile.requested.v1": accounts.ReconcileRequested,
    "facilitair.account.asked.v1": accounts.AccountAsked,
    # account-events
    "facilitair.budget.changed.v1": books.BudgetChanged,
    "facilitair.funds.reserved.v1": books.FundsReserved,
    "facilitair.funds.refused.v1": books.FundsRefused,
    "facilitair.funds.released.v1": books.FundsReleased,
    "facilitair.call.settled.v1": books.CallSettled,
    "facilitair.call.reconciled.v1": books.CallReconciled,
    "facilitair.limit.reached.v1": books.LimitReached,
    "facilitair.request.skipped.v1": books.RequestSkipped,
    # account-state
    "facilitair.account.snapshot.v1": balances.AccountSnapshot,
    # catalog
    "facilitair.version.published.v1": catalog.VersionPublished,
    "facilitair.label.moved.v1": catalog.LabelMoved,
    # tenants
    "facilitair.tenant.created.v1": tenants.TenantCreated,
    "facilitair.tenant.closed.v1": tenants.TenantClosed,
    "facilitair.key.issued.v1": tenants.KeyIssued,
    "facilitair.key.revoked.v1": tenants.KeyRevoked,
    # credentials
    "facilitair.credential.stored.v1": credentials.CredentialStored,
    "facilitair.credential.removed.v1": credentials.CredentialRemoved,
    # dead-letter topics, beside the dead letters
    "facilitair.letter.replayed.v1": letters.LetterReplayed,
    "facilitair.letter.discarded.v1": letters.LetterDiscarded,
}

LETTER_ACTIONS: Final = ("facilitair.letter.replayed.v1", "facilitair.letter.discarded.v1")
"""What every dead-letter topic carries beside the types of its topic."""

NAMES: Final[dict[type[Struct], str]] = {struct: name for name, struct in TYPES.items()}

TERMINAL_KINDS: Final = frozenset(
    f"collaboration.{end}" for end in ("refused", "completed", "failed", "cancelled", "expired")
)


def kind_of(type_name: str) -> str:
    """The public kind of a type: ``facilitair.step.completed.v1`` is ``step.completed``."""
    return type_name.removeprefix("facilitair.").rsplit(".", 1)[0]
