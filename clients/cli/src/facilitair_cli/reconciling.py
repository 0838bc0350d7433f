"""What ``budget reconcile`` does: shown first, settled with ``--apply``."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from facilitair_cli.attaching import Attachment
from facilitair_cli.bills.bill import Bill, BilledDay
from facilitair_cli.bills.ledger import calls_of
from facilitair_cli.bills.matching import Leftover, Outcome, Settlement, match
from facilitair_cli.bills.reading import read_bill
from facilitair_cli.budgeting import tell
from facilitair_cli.errors import NotFoundError, OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.screens import note
from facilitair_cli.talking import ask
from facilitair_cli.wording import money
from facilitair_client import ApiError, Facilitair, UnknownCall
from facilitair_events.definitions import Prices
from facilitair_events.requests import Usage
from facilitair_llm.pricing import cost_usd

_MOST_BYTES: Final = 256 * 1024 * 1024
_AT_ONCE: Final = 500
"""Corrections in a request; the gateway takes twice as many."""

_MARGIN: Final = timedelta(days=1)


def read_export(file: Path, *, provider: str | None) -> Bill:
    """The bill in a file. Raises OptionError, and BillError with everything that is wrong."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise OptionError(option="--export", reason=f"{file} is too large to be read at once")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"{file} cannot be read: {error}"
        raise OptionError(option="--export", reason=reason) from error
    return read_bill(text, file=str(file), provider=provider)


async def by_hand(  # noqa: PLR0917 - which call, what it did cost, where
    call: str,
    cost: Decimal,
    attached: Attachment,
    *,
    reason: str,
    apply: bool,
    force: bool,
    tenant: str | None,
    as_json: bool,
) -> int:
    """Settle one call; ``force`` lets it cost more than it is charged, which is never undone.

    Raises NotFoundError or RefusedError for one that is not listed as unknown, and OptionError.
    """
    listed = await _listed(call, attached, tenant=tenant)
    if listed is not None and cost > listed.charged_usd and not force:
        reason = (
            f"{money(cost)} is more than the {money(listed.charged_usd)} that the call is charged,"
            " the most that it may have cost; a settled call is never settled again, so say --force"
            " if it is right"
        )
        raise OptionError(option="--cost", reason=reason)
    if apply:
        key = secrets.token_hex(16)
        await ask(
            attached,
            lambda client: client.money.reconcile(
                {call: cost}, reason=reason, tenant=tenant, idempotency_key=key
            ),
        )
    was = None if listed is None else listed.charged_usd
    document: dict[str, Any] = {
        "settled": [
            {
                "call_id": call,
                "cost_usd": f"{cost:f}",
                "charged_usd": None if was is None else f"{was:f}",
            }
        ],
        "left": [],
        "applied": apply,
    }
    told = "settled" if apply else "would be settled"
    instead = "" if was is None else f" instead of {money(was)}"
    tell(document, [f"{call} {told} at {money(cost)}{instead}"], as_json=as_json)
    _remind(apply=apply, anything=True)
    return ExitCode.DONE


async def _listed(call: str, attached: Attachment, *, tenant: str | None) -> UnknownCall | None:
    """An unknown call; None where it may be one of those that are too many to be listed."""
    account = await ask(attached, lambda client: client.money.account(tenant))
    for one in account.unknown:
        if one.call_id == call:
            return one
    if account.unknown_calls > len(account.unknown):
        return None
    raise NotFoundError(
        what=f"no call {call} is listed as unknown; it may have been reconciled before, or its"
        " result may have come after all: facilitair budget show"
    )


async def from_export(
    bill: Bill, attached: Attachment, *, reason: str, apply: bool, as_json: bool
) -> int:
    """Settle what a bill settles, and tell what it leaves open."""
    outcome = await ask(attached, lambda client: _matched(client, bill))
    if apply:
        for part in _parts(outcome.settled):
            await _settle(part, attached, reason=reason)
    document = {
        "provider": bill.provider,
        "form": bill.form,
        "settled": [_row(one) for one in outcome.settled],
        "left": msgspec.to_builtins(outcome.left),
        "applied": apply,
    }
    tell(document, list(_lines(bill, outcome, apply=apply)), as_json=as_json)
    _remind(apply=apply, anything=bool(outcome.settled))
    return ExitCode.DONE


async def _settle(part: Sequence[Settlement], attached: Attachment, *, reason: str) -> None:
    settled = {one.call.call_id: one.cost_usd for one in part}
    key = secrets.token_hex(16)
    await ask(
        attached,
        lambda client: client.money.reconcile(
            settled, reason=reason, source="export", idempotency_key=key
        ),
    )


async def _matched(client: Facilitair, bill: Bill) -> Outcome:
    first = _first(bill)
    if first is None:
        raise NotFoundError(what="the export has no calls and no days with anything billed")
    entries = [entry async for entry in client.money.entries(since=first - _MARGIN)]
    calls = calls_of(entries)
    priced = await _priced(client, bill)
    return match(priced, calls, today=datetime.now(UTC).date())


def _first(bill: Bill) -> datetime | None:
    times = [call.at for call in bill.calls]
    times += [datetime.combine(line.day, time.min, UTC) for line in bill.days]
    return min(times, default=None)


async def _priced(client: Facilitair, bill: Bill) -> Bill:
    """The bill with costs for what it tells in tokens, where prices do not depend on each call."""
    found: dict[str, Prices | None] = {}
    days: list[BilledDay] = []
    for line in bill.days:
        if line.cost_usd is not None or line.model is None:
            days.append(line)
            continue
        if line.model not in found:
            found[line.model] = await _prices(client, bill, model=line.model)
        days.append(_with_cost(line, found[line.model]))
    return msgspec.structs.replace(bill, days=tuple(days))


async def _prices(client: Facilitair, bill: Bill, *, model: str) -> Prices | None:
    try:
        row = await client.model(f"{bill.provider}/{model}")
    except ApiError:
        return None
    prices = msgspec.convert(row["prices"], Prices) if row.get("prices") else None
    # A tier counts by the input of each call, which a sum of them does not tell.
    return None if prices is None or prices.tiers else prices


def _with_cost(line: BilledDay, prices: Prices | None) -> BilledDay:
    usage = Usage(**msgspec.structs.asdict(line.tokens))
    at = datetime.combine(line.day, time.min, UTC)
    return msgspec.structs.replace(line, cost_usd=cost_usd(prices, usage, at=at))


def _parts(settled: Sequence[Settlement]) -> Iterable[Sequence[Settlement]]:
    return (settled[place : place + _AT_ONCE] for place in range(0, len(settled), _AT_ONCE))


def _row(one: Settlement) -> dict[str, str]:
    return {
        "call_id": one.call.call_id,
        "model": one.call.model,
        "charged_usd": f"{one.call.charged_usd:f}",
        "cost_usd": f"{one.cost_usd:f}",
        "because": one.because,
    }


def _lines(bill: Bill, outcome: Outcome, *, apply: bool) -> Iterable[str]:
    yield f"{bill.provider}, {bill.form}: {_count(len(bill.calls) or len(bill.days), 'row')}"
    for one in outcome.settled:
        was = money(one.call.charged_usd)
        yield f"  {one.call.call_id}  {was} → {money(one.cost_usd)}  {one.because}"
    freed = sum((one.call.charged_usd - one.cost_usd for one in outcome.settled), Decimal(0))
    told = "settled" if apply else "would be settled"
    yield f"{_count(len(outcome.settled), 'call')} {told}, {money(freed)} less than was charged"
    if outcome.left:
        yield f"{len(outcome.left)} left as they are:"
        yield from (_left(one) for one in outcome.left)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _left(one: Leftover) -> str:
    return f"  {one.what}: {one.why}"


def _remind(*, apply: bool, anything: bool) -> None:
    if anything and not apply:
        note("nothing is settled yet; add --apply")
