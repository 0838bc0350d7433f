"""I5 and I6: an entry of the books is of a call that was claimed, asked, and billed so.

A call is charged what its provider bills: the tokens of the provider's journal at the prices that
the collaboration's definition carried. Where the outcome or the count is not known the reservation
is charged instead, which has to cover the bill. What a call was billed is the provider's word; one
that it turned away is free.
A claim of a fork's parent is none of the fork's: an inherited step is charged to who claimed it.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from facilitair_events.books import CallReconciled, CallSettled
from facilitair_events.collaboration import AttemptUnknown
from facilitair_events.definitions import Prices
from facilitair_events.envelope import instant
from facilitair_events.requests import CallReported, Usage
from facilitair_llm.pricing import cost_usd
from facilitair_testing.history.books import CHARGES
from facilitair_testing.history.entries import Entry, violation
from facilitair_testing.history.index import STARTED, Index
from facilitair_testing.history.types import ProviderLine, Violation

_COMPLETED: Final = "completed"
_KNOWN: Final = frozenset({"completed", "failed"})
_NOTHING: Final = Decimal(0)


def i05_entries_have_a_claim(index: Index) -> Iterator[Violation]:
    """Every entry is of a call that its own collaboration claimed, to ask and not to close."""
    for call_id, entries in index.books.entries.items():
        call = index.ledger.calls.get(call_id)
        for entry in entries:
            key = _key(entry)
            if call is None or call.winner is None:
                if _given_up(index, key, call_id=call_id, entry=entry):
                    continue
                yield violation("I5", entry, key=key, text=f"call {call_id} was never claimed")
            elif call.attempt.key != key:
                text = f"call {call_id} was claimed by {call.attempt.key}"
                yield violation("I5", entry, call.winner, key=key, text=text)
            elif not _names_its_attempt(entry, path=call.attempt.path, at=call.attempt.attempt):
                text = f"call {call_id} is of attempt {call.attempt.attempt} at {call.attempt.path}"
                yield violation("I5", entry, call.winner, key=key, text=text)
            elif call.fence and call_id not in index.requests:
                text = f"call {call_id} was only claimed to close its attempt"
                yield violation("I5", entry, call.winner, key=key, text=text)


def i06_a_call_has_one_payer(index: Index) -> Iterator[Violation]:
    """No call is in the books of two tenants, or of two collaborations."""
    for call_id, entries in index.books.entries.items():
        payers = {_key(entry) for entry in entries}
        if len(payers) > 1:
            text = f"call {call_id} is charged to {', '.join(sorted(payers))}"
            for payer in sorted(payers):
                yield violation("I6", *entries, key=payer, text=text)


def i06_one_result_counts(index: Index) -> Iterator[Violation]:
    """A call has one result; it may come after its outcome was held for unknown, never twice."""
    for call_id, entries in index.books.entries.items():
        before: Entry | None = None
        for entry in entries:
            fault = _follow_fault(entry.data, None if before is None else before.data)
            if fault is not None:
                places = [entry] if before is None else [before, entry]
                text = f"call {call_id} {fault}"
                yield violation("I6", *places, key=_key(entry), text=text)
            before = entry


def i06_an_entry_says_why(index: Index) -> Iterator[Violation]:
    """An entry names its call and charges its cost, its reservation, or nothing for a reason."""
    for entries in index.books.entries.values():
        for entry in entries:
            fault = _reason_fault(entry.data)
            if fault is not None:
                text = f"call {entry.data.call_id} {fault}"
                yield violation("I6", entry, key=_key(entry), text=text)


def i06_settled_is_what_was_billed(index: Index) -> Iterator[Violation]:
    """A known call costs its provider's tokens at the definition's prices, an unknown one no less.

    Judged where the provider's journal is at hand.
    """
    reports = _reports(index)
    ended = {line.call_id: line for line in index.history.provider if line.outcome != STARTED}
    for call_id, entries in index.books.entries.items():
        line, last = ended.get(call_id), entries[-1]
        entry = index.books.charged(call_id)
        if line is None or not isinstance(entry, CallSettled) or not entry.priced:
            continue
        prices, at = _prices(index, call_id), instant(last.at_ms)
        report = reports.get(call_id)
        fault = _bill_fault(entry, line, report=report, prices=prices, at=at)
        if fault is not None:
            yield violation("I6", last, key=_key(last), text=f"call {call_id} {fault}")


def i06_every_bill_is_in_the_books(index: Index) -> Iterator[Violation]:
    """Who keeps an account is charged, in the end, for every call that its provider bills."""
    if not index.terms.ended:
        return
    for line in index.history.provider:
        call = index.ledger.calls.get(line.call_id or "")
        billed = line.outcome == _COMPLETED or (line.outcome != STARTED and line.output_tokens)
        if call is None or not billed or not index.books.keeps(call.attempt.key):
            continue
        if index.books.spoilt(call.attempt.key):
            continue
        if call.call_id not in index.books.entries:
            text = f"call {call.call_id} was billed and is in no book"
            yield violation("I6", *_winner(call.winner), key=call.attempt.key, text=text)


def i06_sums_cover_the_bills(index: Index) -> Iterator[Violation]:
    """Of each tenant: what is settled, and what unknown calls were reserved, covers all bills."""
    billed: dict[str, Decimal] = {}
    for line in index.history.provider:
        call = index.ledger.calls.get(line.call_id or "")
        if line.outcome == STARTED or call is None or not index.books.keeps(call.attempt.key):
            continue
        entry = index.books.charged(call.call_id)
        if isinstance(entry, CallSettled) and not entry.priced:
            continue
        tenant = call.attempt.key.partition(":")[0]
        bill = _billed(line, _prices(index, call.call_id), at=instant(int(line.at_ms)))
        billed[tenant] = billed.get(tenant, _NOTHING) + bill
    for tenant, bill in billed.items():
        settled = sum((_delta(e.data) for e in _entries_of(index, tenant)), _NOTHING)
        reconciled = sum((_given_back(e.data) for e in _entries_of(index, tenant)), _NOTHING)
        spoilt = index.books.spoilt(f"{tenant}:")
        if index.terms.ended and not spoilt and settled + reconciled < bill:
            text = f"{settled} USD are in the books, {bill} USD were billed"
            yield violation("I6", key=tenant, text=text)


def _bill_fault(
    entry: CallSettled,
    line: ProviderLine,
    *,
    report: CallReported | None,
    prices: Prices | None,
    at: datetime,
) -> str | None:
    bill = _billed(line, prices, at=at)
    if entry.outcome not in _KNOWN or entry.cost_usd is None:
        if entry.charged_usd < bill:
            return f"is charged {entry.charged_usd} USD, its provider bills {bill} USD"
        return None
    if report is None:
        return "is charged and nobody reported it"
    if report.cost_usd != entry.cost_usd:
        return f"is charged {entry.cost_usd} USD, it was reported at {report.cost_usd} USD"
    if line.outcome != _COMPLETED or report.usage is None or report.usage.estimated:
        return None
    cost = cost_usd(prices, report.usage, at=at)
    if cost != entry.charged_usd:
        return f"is charged {entry.charged_usd} USD, its provider bills {cost} USD"
    return None


def _billed(line: ProviderLine, prices: Prices | None, *, at: datetime) -> Decimal:
    """What the provider's journal costs; nothing where it said no word."""
    if line.outcome != _COMPLETED and not line.output_tokens:
        return _NOTHING
    usage = Usage(input_tokens=line.input_tokens, output_tokens=line.output_tokens)
    return cost_usd(prices, usage, at=at) or _NOTHING


def _prices(index: Index, call_id: str) -> Prices | None:
    """Those of the model that the call's task names."""
    call = index.ledger.calls.get(call_id)
    task = None if call is None else index.task(call.attempt)
    if task is None or task.model_index >= len(task.agent.models):
        return None
    return task.agent.models[task.model_index].prices


def _reports(index: Index) -> dict[str, CallReported]:
    """The first result of each call; ``unknown`` and ``void`` are none."""
    found: dict[str, CallReported] = {}
    for entries in index.inbox.values():
        for entry in entries:
            if isinstance(entry.data, CallReported) and entry.data.outcome in _KNOWN:
                found.setdefault(entry.data.call_id, entry.data)
    return found


def _given_up(index: Index, key: str, *, call_id: str, entry: Entry) -> bool:
    """Whether a collaboration that ended could not wait for an answer any longer (R14).

    It does not know whether anybody had claimed the call, so it charges what was set aside; and
    nothing, once a worker says that nobody had.
    """
    if isinstance(entry.data, CallReconciled):
        return True
    events = index.first.get(key, {}).values()
    guessed = entry.data.outcome == "unknown" or not entry.data.charged_usd
    return guessed and any(
        isinstance(e.data, AttemptUnknown) and e.data.call_id == call_id for e in events
    )


def _follow_fault(entry: Any, before: Any) -> str | None:
    """What is wrong with an entry after the one before it of the same call."""
    if before is None:
        if entry.was_usd is not None and entry.was_usd != _NOTHING:
            return f"was {entry.was_usd} USD before, and is in the books for the first time"
        return None
    if isinstance(before, CallReconciled):
        settled = isinstance(entry, CallReconciled)
        return "is reconciled twice" if settled else _was_fault(entry, before)
    if before.outcome in _KNOWN:
        return "has two results that count"
    return _was_fault(entry, before)


def _was_fault(entry: Any, before: Any) -> str | None:
    if entry.was_usd != before.charged_usd:
        return f"was charged {before.charged_usd} USD, its next entry says {entry.was_usd}"
    return None


def _reason_fault(entry: Any) -> str | None:
    if not entry.call_id:
        return "has no name"
    if isinstance(entry, CallReconciled):
        return None if entry.reason.v else "is reconciled without a reason"
    if not entry.priced:
        free = entry.charged_usd == _NOTHING and entry.cost_usd is None
        return None if free else "has no price and is charged"
    if entry.outcome == "unknown" or entry.cost_usd is None:
        if entry.cost_usd is not None:
            return "has a cost although its outcome is unknown"
        held = entry.reserved_usd is None or entry.charged_usd == entry.reserved_usd
        return None if held else f"is charged {entry.charged_usd} USD, not its reservation"
    if entry.charged_usd != entry.cost_usd:
        return f"is charged {entry.charged_usd} USD and cost {entry.cost_usd} USD"
    return None


def _names_its_attempt(entry: Entry, *, path: str, at: int) -> bool:
    data = entry.data
    return isinstance(data, CallReconciled) or (data.path, data.attempt) == (path, at)


def _entries_of(index: Index, tenant: str) -> list[Entry]:
    found = index.books.first.get(tenant, {}).values()
    return [entry for entry in found if isinstance(entry.data, CHARGES)]


def _delta(data: Any) -> Decimal:
    return Decimal(data.charged_usd) - (data.was_usd or _NOTHING)


def _given_back(data: Any) -> Decimal:
    """What somebody took off by hand, or an export did: the provider's own word is better."""
    return data.was_usd - data.charged_usd if isinstance(data, CallReconciled) else _NOTHING


def _winner(winner: Entry | None) -> list[Entry]:
    return [] if winner is None else [winner]


def _key(entry: Entry) -> str:
    return f"{entry.key}:{entry.data.collaboration}"
