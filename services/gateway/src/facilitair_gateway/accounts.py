"""What is asked of the service that keeps tenants' accounts, and its answers (R15, R25).

Nothing is kept here: how an account stands is asked for each time.
"""

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from facilitair_events.accounts import (
    AccountAnswered,
    AccountAsked,
    AccountView,
    BudgetRequested,
    CallCorrection,
    ReconcileRequested,
)
from facilitair_events.budgets import Budget
from facilitair_events.keys import checked_name
from facilitair_events.requests import Fault, ReplyTo
from facilitair_events.text import personal
from facilitair_events.topics import ACCOUNT_REQUESTS
from facilitair_gateway.errors import (
    AccountsAwayError,
    BudgetChangedError,
    RequestFaultsError,
)
from facilitair_gateway.principal import Principal
from facilitair_gateway.questions import Address, Questions
from facilitair_messaging.ports import Producer
from facilitair_messaging.request_reply import Replies

BUDGET_CHANGED: Final = "budget_changed"
"""The fault of a budget that was to replace another one than there is."""

Request = AccountAsked | BudgetRequested | ReconcileRequested

_NOBODY: Final = ReplyTo(topic="", correlation="")
_encoder: Final = msgspec.json.Encoder(decimal_format="string")


class Accounts:
    """Asks the accounts of tenants, each for at most ``timeout_s``.

    Every method raises AccountsAwayError when nobody answers in time, and AppendUnknownError when
    the log did not confirm the record.
    What changes an account is in the log by then: it counts as soon as the service is back, and
    asked again with the same ``client_id`` it counts once.
    """

    def __init__(
        self,
        producer: Producer,
        replies: Replies,
        *,
        timeout_s: float,
        now_ms: Callable[[], int],
        fresh_id: Callable[[], str],
    ) -> None:
        self._questions = Questions(
            producer, replies, timeout_s=timeout_s, now_ms=now_ms, fresh_id=fresh_id
        )

    async def view(self, tenant: str, *, by: Principal, usage: bool = False) -> AccountView:
        """How an account stands; with ``usage`` also what was used day by day."""
        asked = AccountAsked(reply_to=_NOBODY, usage=usage)
        answer = await self._ask(asked, tenant, by=by)
        if answer is None or answer.view is None:
            raise AccountsAwayError(timeout_s=self._questions.timeout_s, recorded=False)
        return answer.view

    async def set_budget(
        self, tenant: str, budget: Budget, *, replaces: Budget | None, client_id: str, by: Principal
    ) -> AccountView:
        """Set the whole budget of a tenant; returns how the account stands then.

        Raises BudgetChangedError when it is not ``replaces`` any more, RequestFaultsError.
        """
        wish = BudgetRequested(
            client_id=client_id, actor=by.actor, budget=budget, replaces=replaces
        )
        return await self._change(wish, tenant, by=by)

    async def reconcile(
        self,
        tenant: str,
        corrections: tuple[CallCorrection, ...],
        *,
        reason: str,
        from_export: bool,
        client_id: str,
        by: Principal,
    ) -> AccountView:
        """Settle calls whose outcome was unknown; returns how the account stands then.

        Raises RequestFaultsError when one of them cannot be settled; then none is.
        """
        wish = ReconcileRequested(
            client_id=client_id,
            actor=by.actor,
            corrections=corrections,
            reason=personal(reason),
            source="export" if from_export else "hand",
        )
        return await self._change(wish, tenant, by=by)

    async def _change(
        self, wish: BudgetRequested | ReconcileRequested, tenant: str, *, by: Principal
    ) -> AccountView:
        answer = await self._ask(wish, tenant, by=by)
        if answer is None:
            raise AccountsAwayError(timeout_s=self._questions.timeout_s, recorded=True)
        if answer.outcome == "refused":
            _refuse(answer.faults)
        return answer.view or await self.view(tenant, by=by)

    async def _ask(self, request: Request, tenant: str, *, by: Principal) -> AccountAnswered | None:
        address = Address(
            topic=ACCOUNT_REQUESTS,
            key=checked_name("tenant", tenant),
            subject=tenant,
            tenant=tenant,
            project=by.project,
        )
        question = self._questions.question(request, address, AccountAnswered, by=by)
        await self._questions.append(question)
        return await self._questions.answer(question)


def budget_tag(budget: Budget) -> str:
    """What tells one budget from another: the ``ETag`` of ``/v1/budget``."""
    digest = hashlib.sha256(_encoder.encode(budget))
    return f'"{digest.hexdigest()[:32]}"'


def _refuse(faults: tuple[Fault, ...]) -> None:
    if any(fault.code == BUDGET_CHANGED for fault in faults):
        raise BudgetChangedError
    raise RequestFaultsError(faults=faults)
