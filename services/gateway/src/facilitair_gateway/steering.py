"""Steering a collaboration, whatever wire the wish came over."""

from decimal import Decimal

import structlog

from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import CancelRequested, ResumeRequested
from facilitair_gateway.errors import ConflictError
from facilitair_gateway.inbox import Inbox, Steering
from facilitair_gateway.principal import Principal

log = structlog.get_logger(__name__)


async def cancel(
    inbox: Inbox, principal: Principal, *, collaboration: str, client_id: str, reason: str | None
) -> RequestAnswered | None:
    """Ask to end a collaboration; None when that was taken but not answered in time.

    Again with the same ``client_id`` is a duplicate.
    Raises ConflictError when it has ended or is ending, UnknownCollaborationError, and
    AppendUnknownError.
    """
    wish = CancelRequested(client_id=client_id, actor=principal.actor, reason=reason)
    return await _steer(inbox, principal, collaboration=collaboration, wish=wish)


async def resume(
    inbox: Inbox,
    principal: Principal,
    *,
    collaboration: str,
    client_id: str,
    budget_usd: Decimal | None,
) -> RequestAnswered | None:
    """Ask a paused collaboration to go on; None when that was taken but not answered in time.

    Again with the same ``client_id`` is a duplicate.
    Raises ConflictError when it is not paused, UnknownCollaborationError, and AppendUnknownError.
    """
    wish = ResumeRequested(client_id=client_id, actor=principal.actor, budget_usd=budget_usd)
    return await _steer(inbox, principal, collaboration=collaboration, wish=wish)


async def _steer(
    inbox: Inbox, principal: Principal, *, collaboration: str, wish: Steering
) -> RequestAnswered | None:
    answer = await inbox.steer(principal, collaboration, request=wish)
    log.info(
        "steering requested",
        wish="cancel" if isinstance(wish, CancelRequested) else "resume",
        collaboration=collaboration,
        outcome="queued" if answer is None else answer.outcome,
    )
    if answer is not None and answer.outcome == "refused":
        fault = answer.faults[0]
        raise ConflictError(code=fault.code, message=fault.message)
    return answer
