"""Budgets, what was used of them, and the books entry by entry."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from facilitair_client.backoff import Patience
from facilitair_client.entries import EntryLine, entry_lines
from facilitair_client.requesting import answered, decoded, request
from facilitair_client.results import Usage

_BUDGET = "/v1/budget"
_ENTRIES = "/v1/usage/entries"


class Limit(Struct, frozen=True, kw_only=True):
    """At most ``usd`` in a window, for one name of a scope or, with ``*``, for each of them."""

    scope: str
    window: str
    usd: Decimal
    name: str = "*"
    kind: str = "hard"


class SlotLimits(Struct, frozen=True, kw_only=True):
    """How many attempts may run at once, by class."""

    interactive: int = 32
    batch: int = 8


class Budget(Struct, frozen=True, kw_only=True):
    """What a tenant may spend, and how much of it may run at once."""

    timezone: str = "UTC"
    limits: tuple[Limit, ...] = ()
    slots: SlotLimits = SlotLimits()
    unpriced: str = "refuse"


class LimitStanding(Limit, frozen=True, kw_only=True):
    """How a limit stands for one name, in its window from ``since`` to ``until``."""

    spent_usd: Decimal
    reserved_usd: Decimal
    left_usd: Decimal
    since: datetime | None = None
    until: datetime | None = None


class Slots(Struct, frozen=True, kw_only=True):
    """How the slots of a class stand: attempts that run, collaborations that wait."""

    priority: str
    limit: int
    taken: int = 0
    waiting: int = 0


class UnknownCall(Struct, frozen=True, kw_only=True):
    """A call that is charged at its reservation, because nobody knows its outcome."""

    call_id: str
    collaboration: str
    agent: str
    charged_usd: Decimal
    at: datetime
    model: str | None = None
    provider: str | None = None


class BudgetWarning(Struct, frozen=True, kw_only=True):
    """Why no budget holds, and what to do about it."""

    code: str
    message: str


class Account(Struct, frozen=True, kw_only=True):
    """A tenant's budget and how its account stands.

    ``unknown`` are the oldest of ``unknown_calls``.
    ``warnings`` say why no limit holds; there are none where money is reserved.
    ``etag`` names the budget, for ``Money.set_budget``.
    """

    tenant: str
    budget: Budget
    spent_usd: Decimal
    reserved_usd: Decimal
    open_collaborations: int = 0
    limits: tuple[LimitStanding, ...] = ()
    slots: tuple[Slots, ...] = ()
    unknown_calls: int = 0
    unknown: tuple[UnknownCall, ...] = ()
    warnings: tuple[BudgetWarning, ...] = ()
    updated_at: datetime | None = None
    etag: str = ""


class UsageRow(Struct, frozen=True, kw_only=True):
    """What was used and charged; what it is of is in the fields that were grouped by.

    ``charged_usd`` leaves out ``unpriced_calls``, whose prices nobody knows.
    """

    charged_usd: Decimal
    usage: Usage = Usage()
    calls: int = 0
    unknown_calls: int = 0
    unpriced_calls: int = 0
    simulated_calls: int = 0
    day: str | None = None
    agent: str | None = None
    model: str | None = None
    workflow: str | None = None


class UsageReport(Struct, frozen=True, kw_only=True):
    """Sums by the fields ``by``, in their order, and the sum of all."""

    data: tuple[UsageRow, ...]
    totals: UsageRow
    by: tuple[str, ...]
    timezone: str = "UTC"
    updated_at: datetime | None = None


class Money:
    """The money of a tenant; of another one with ``tenant``, which needs the scope ``admin``.

    Every method raises as those of ``Facilitair`` do: ApiError 503 ``accounts_away`` when nobody
    keeps accounts now.
    """

    def __init__(self, http: httpx.AsyncClient, *, patience: Patience) -> None:
        self._http = http
        self._patience = patience

    async def account(self, tenant: str | None = None) -> Account:
        """The budget, and how the account stands."""
        answer = await answered(self._http, "GET", _budget(tenant), patience=self._patience)
        return _account(answer)

    async def set_budget(
        self, budget: Budget, *, etag: str | None = None, tenant: str | None = None
    ) -> Account:
        """Set the whole budget; needs the scope ``admin``. Sent again it is set once.

        With the ``etag`` of an account, raises ApiError 412 when somebody else changed the budget.
        """
        headers = {"idempotency-key": secrets.token_hex(16)}
        headers |= {"if-match": etag} if etag else {}
        answer = await answered(
            self._http, "PUT", _budget(tenant), patience=self._patience,
            json=msgspec.to_builtins(budget), headers=headers,
        )  # fmt: skip
        return _account(answer)

    async def reconcile(
        self,
        corrections: Mapping[str, Decimal],
        *,
        reason: str,
        source: Literal["export", "hand"] = "hand",
        tenant: str | None = None,
        idempotency_key: str | None = None,
    ) -> Account:
        """Settle calls whose outcome was unknown, by their ids: all of them, or none.

        Needs the scope ``admin``. Again with the same ``idempotency_key`` it changes nothing.
        Raises ApiError 422 with every call that cannot be settled.
        """
        rows = [{"call_id": ident, "cost_usd": f"{usd:f}"} for ident, usd in corrections.items()]
        path = f"{_BUDGET}/reconciliations"
        if tenant is not None:
            path = f"/v1/admin/tenants/{quote(tenant, safe='')}/reconciliations"
        answer = await answered(
            self._http, "POST", path, patience=self._patience,
            json={"corrections": rows, "reason": reason, "source": source},
            headers={"idempotency-key": idempotency_key or secrets.token_hex(16)},
        )  # fmt: skip
        return _account(answer)

    async def usage(
        self,
        by: Sequence[str] = ("day",),
        *,
        since: date | None = None,
        until: date | None = None,
    ) -> UsageReport:
        """What was used and charged, by some of day, agent, model and workflow.

        Days are of the tenant's calendar, both included.
        """
        params = {"by": ",".join(by)}
        params |= {"since": since.isoformat()} if since else {}
        params |= {"until": until.isoformat()} if until else {}
        found = await request(
            self._http, "GET", "/v1/usage", patience=self._patience, params=params
        )
        return decoded(found, UsageReport)

    def entry_lines(
        self,
        form: Literal["csv", "jsonl"] = "jsonl",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        collaboration: str | None = None,
        cursor: str | None = None,
    ) -> AsyncGenerator[EntryLine, None]:
        """The entries of the books as lines of a file, each once, over as many answers as it takes.

        ``cursor`` is of the last line that was had before: it reads on behind that.
        """
        params: dict[str, str] = {"format": form}
        params |= {"since": since.isoformat()} if since else {}
        params |= {"until": until.isoformat()} if until else {}
        params |= {"collaboration": collaboration} if collaboration else {}
        return entry_lines(
            self._http, _ENTRIES, params=params, cursor=cursor, patience=self._patience
        )

    async def entries(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        collaboration: str | None = None,
        cursor: str | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The entries of the books, each with the call that it is about; see ``entry_lines``."""
        lines = self.entry_lines(
            since=since, until=until, collaboration=collaboration, cursor=cursor
        )
        async for line in lines:
            yield decoded(line.content, dict[str, Any])


def _budget(tenant: str | None) -> str:
    return _BUDGET if tenant is None else f"/v1/admin/tenants/{quote(tenant, safe='')}/budget"


def _account(answer: httpx.Response) -> Account:
    found = decoded(answer.content, Account)
    return msgspec.structs.replace(found, etag=answer.headers.get("etag", ""))
