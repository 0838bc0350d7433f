"""Doctored books: whatever is changed in an account, some rule names it.

The histories that are doctored come from the real reducers of collaborations and of accounts, see
``AccountScene``.
"""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from facilitair_events.accounts import CallCharged, FundsAnswered, FundsRequested, FundsReturned
from facilitair_events.balances import AccountSnapshot
from facilitair_events.books import (
    BudgetChanged,
    CallReconciled,
    CallSettled,
    FundsRefused,
    FundsReleased,
    FundsReserved,
)
from facilitair_events.topics import (
    ACCOUNT_EVENTS,
    ACCOUNT_REQUESTS,
    ACCOUNT_STATE,
    COLLABORATION_INBOX,
    LLM_CALLS,
)
from facilitair_events.work import CallClaimed
from facilitair_messaging.ports import TopicPartition
from facilitair_testing.doctored import Doctored, the_call
from facilitair_testing.doctored_accounts import COST, AccountScene, account_scene
from facilitair_testing.doctoring import Doctor
from facilitair_testing.history import judge
from facilitair_testing.history.entries import Entry, entry_of
from facilitair_testing.history.judging import CHECKS, Check

BOOKS = ("account_outcomes", "entries_of_calls", "envelopes", "limits")
"""The modules of rules whose doctored histories are here."""

CENT = Decimal("0.01")
EVENTS, REQUESTS = ACCOUNT_EVENTS, ACCOUNT_REQUESTS

DOCTORED = Doctored(account_scene)
breaks = DOCTORED.breaks


def settled(doctor: Doctor, ident: str, path: str = "a", attempt: int = 1) -> Entry:
    """The first entry of a call."""
    return doctor.find(EVENTS, CallSettled, call_id=the_call(ident, path, attempt))


def charged(doctor: Doctor, entry: Entry) -> Entry:
    """The request that an entry is of."""
    data = entry.data
    return doctor.find(REQUESTS, CallCharged, collaboration=data.collaboration, n=data.n)


def change_both(doctor: Doctor, entry: Entry, **fields: object) -> None:
    """Change an entry and its request alike, as a reducer would that charges wrongly."""
    asked = charged(doctor, entry)
    doctor.swap(asked, replace(asked.data, **fields))
    doctor.swap(entry, replace(entry.data, **fields))


def at_the_end(doctor: Doctor, entry: Entry, data: object) -> Entry:
    """Append an event behind the last one of the account."""
    last = doctor.all(EVENTS, type(entry.data))[-1]
    seqs = [e.data.seq for kind in _KINDS for e in doctor.all(EVENTS, kind)]
    end = max(
        (e for kind in _KINDS for e in doctor.all(EVENTS, kind)), key=lambda e: int(e.data.seq)
    )
    numbered = replace(data, seq=max(seqs) + 1)
    return doctor.copy(last, numbered, offset=end.offset + 10, timestamp_ms=end.at_ms)


_KINDS = (BudgetChanged, CallReconciled, CallSettled, FundsRefused, FundsReleased, FundsReserved)


# Numbers


@breaks("R12")
def an_event_of_the_account_that_is_lost(doctor: Doctor, scene: AccountScene) -> None:
    doctor.drop(settled(doctor, scene.paid))


@breaks("R12")
def a_number_of_the_account_that_is_given_out_twice(doctor: Doctor, scene: AccountScene) -> None:
    entry = settled(doctor, scene.paid)
    doctor.copy(entry, replace(entry.data, charged_usd=CENT))


@breaks("R25")
def a_number_of_a_collaboration_with_two_requests(doctor: Doctor, scene: AccountScene) -> None:
    asked = charged(doctor, settled(doctor, scene.paid))
    doctor.copy(asked, replace(asked.data, charged_usd=CENT))


@breaks("R25")
def a_request_that_counts_twice(doctor: Doctor, scene: AccountScene) -> None:
    released = doctor.find(EVENTS, FundsReleased, collaboration=scene.paid)
    at_the_end(doctor, released, released.data)


@breaks("R25")
def money_that_nobody_asked_for(doctor: Doctor, scene: AccountScene) -> None:
    doctor.drop(doctor.find(REQUESTS, FundsReturned, collaboration=scene.paid))


@breaks("R25")
def an_entry_that_says_something_else_than_its_request(doctor: Doctor, scene: AccountScene) -> None:
    entry = settled(doctor, scene.paid)
    doctor.swap(entry, replace(entry.data, workflow="another"))


# Calls


@breaks("I5")
def an_entry_without_a_claim(doctor: Doctor, scene: AccountScene) -> None:
    change_both(doctor, settled(doctor, scene.paid), call_id=the_call(scene.paid, "a", 7))


@breaks("I5")
def a_step_that_another_collaboration_claimed(doctor: Doctor, scene: AccountScene) -> None:
    """As a fork would be charged that pays for what it has inherited."""
    change_both(doctor, settled(doctor, scene.queued), call_id=the_call(scene.late, "a", 1, 1))


@breaks("I5")
def an_entry_of_another_attempt_than_its_claim(doctor: Doctor, scene: AccountScene) -> None:
    change_both(doctor, settled(doctor, scene.paid), attempt=3)


@breaks("I6")
def a_call_that_two_collaborations_pay(doctor: Doctor, scene: AccountScene) -> None:
    entry = settled(doctor, scene.paid)
    other = settled(doctor, scene.queued)
    change_both(doctor, other, call_id=entry.data.call_id)


@breaks("I6")
def a_call_that_another_tenant_pays_too(doctor: Doctor, scene: AccountScene) -> None:
    entry = settled(doctor, scene.paid)
    headers = tuple(
        (name, b"evil" if name == "tenant" else value) for name, value in entry.record.headers
    )
    evil = replace(entry.data, seq=1)
    doctor.copy(entry, evil, key=b"evil", partition=11, offset=0, headers=headers)


@breaks("I6")
def a_second_result_that_counts(doctor: Doctor, scene: AccountScene) -> None:
    entry = settled(doctor, scene.paid, "b")
    at_the_end(doctor, entry, replace(entry.data, n=9, was_usd=COST, late=True))
    asked = charged(doctor, entry)
    doctor.copy(asked, replace(asked.data, n=9, was_usd=COST))


@breaks("I6")
def a_late_result_that_is_added_and_not_set(doctor: Doctor, scene: AccountScene) -> None:
    late = doctor.all(EVENTS, CallSettled, call_id=the_call(scene.late, "a", 1))[-1]
    change_both(doctor, late, was_usd=None)


@breaks("I6")
def a_call_that_is_charged_more_than_it_cost(doctor: Doctor, scene: AccountScene) -> None:
    change_both(doctor, settled(doctor, scene.paid), charged_usd=CENT)


@breaks("I6")
def a_call_that_costs_more_than_its_provider_bills(doctor: Doctor, scene: AccountScene) -> None:
    change_both(doctor, settled(doctor, scene.paid), charged_usd=CENT, cost_usd=CENT)


@breaks("I6")
def an_unknown_call_that_is_charged_nothing(doctor: Doctor, scene: AccountScene) -> None:
    change_both(doctor, settled(doctor, scene.reconciled), charged_usd=CENT)


@breaks("I6")
def an_unknown_call_that_does_not_cover_its_bill(doctor: Doctor, scene: AccountScene) -> None:
    ident = the_call(scene.reconciled, "a", 1)
    number = next(n for n, line in enumerate(doctor.provider) if line.call_id == ident)
    bill = replace(doctor.provider[number], outcome="completed", input_tokens=10**6)
    doctor.provider.append(bill)


@breaks("I6")
def a_bill_that_is_in_no_book(doctor: Doctor, scene: AccountScene) -> None:
    free = the_call(scene.refused, "a", 1)
    claim = doctor.find(LLM_CALLS, CallClaimed, call_id=the_call(scene.paid, "a", 1))
    asked = next(line for line in doctor.provider if line.call_id == claim.data.call_id)
    doctor.provider += [
        replace(asked, call_id=free, at_ms=claim.at_ms + 5_000),
        replace(asked, call_id=free, at_ms=claim.at_ms + 5_001, outcome="completed"),
    ]
    key = claim.record.key or b""
    other = key.replace(scene.paid.encode(), scene.refused.encode())
    other = other.replace(claim.data.call_id.encode(), free.encode())
    headers = tuple(
        (name, scene.refused.encode() if name == "ce_subject" else value)
        for name, value in claim.record.headers
    )
    data = replace(claim.data, call_id=free, nonce="free")
    nonce = claim.data.nonce.encode()
    doctor.copy(claim, data, key=other.replace(nonce, b"free"), headers=headers)


@breaks("I6")
def a_call_without_a_price_that_is_charged(doctor: Doctor, scene: AccountScene) -> None:
    change_both(doctor, settled(doctor, scene.paid), priced=False)


@breaks("I6")
def a_call_that_is_reconciled_twice(doctor: Doctor, scene: AccountScene) -> None:
    entry = doctor.find(EVENTS, CallReconciled, collaboration=scene.reconciled)
    again = replace(entry.data, was_usd=entry.data.charged_usd, charged_usd=CENT)
    at_the_end(doctor, entry, again)


@breaks("I6")
def a_collaboration_that_knows_of_another_charge(doctor: Doctor, scene: AccountScene) -> None:
    """A reducer that told its account something else than it remembers."""
    entry = settled(doctor, scene.reconciled)
    usd = entry.data.charged_usd + CENT
    change_both(doctor, entry, charged_usd=usd, reserved_usd=usd)
    reconciled = doctor.find(EVENTS, CallReconciled, collaboration=scene.reconciled)
    doctor.swap(reconciled, replace(reconciled.data, was_usd=usd))


# Limits


@breaks("I7")
def a_grant_over_the_limit(doctor: Doctor, scene: AccountScene) -> None:
    changed = doctor.find(EVENTS, BudgetChanged)
    limit = replace(changed.data.budget.limits[0], usd=Decimal(2))
    budget = replace(changed.data.budget, limits=(limit, *changed.data.budget.limits[1:]))
    doctor.swap(changed, replace(changed.data, budget=budget))


@breaks("I7")
def a_call_that_takes_a_tenant_far_over_its_limit(doctor: Doctor, scene: AccountScene) -> None:
    usd = Decimal(99)
    change_both(
        doctor, settled(doctor, scene.queued), charged_usd=usd, reserved_usd=usd, cost_usd=None
    )


@breaks("R26")
def more_slots_than_there_are(doctor: Doctor, scene: AccountScene) -> None:
    changed = doctor.find(EVENTS, BudgetChanged)
    slots = replace(changed.data.budget.slots, interactive=1)
    budget = replace(changed.data.budget, slots=slots)
    doctor.swap(changed, replace(changed.data, budget=budget))


# Answers, and the end


@breaks("R26")
def an_answer_to_a_request_that_nobody_wrote(doctor: Doctor, scene: AccountScene) -> None:
    answer = answer_to(doctor, scene.paid)
    doctor.swap(answer, replace(answer.data, n=77))


@breaks("R26")
def a_grant_of_more_than_was_reserved(doctor: Doctor, scene: AccountScene) -> None:
    answer = answer_to(doctor, scene.paid)
    more = tuple(replace(part, usd=Decimal(9)) for part in answer.data.parts)
    doctor.swap(answer, replace(answer.data, parts=more))


@breaks("R26")
def a_grant_of_what_the_books_refused(doctor: Doctor, scene: AccountScene) -> None:
    answer = answer_to(doctor, scene.refused)
    parts = doctor.find(REQUESTS, FundsRequested, collaboration=scene.refused).data.parts
    granted = FundsAnswered(n=1, outcome="granted", parts=parts, slots=1)
    doctor.swap(answer, granted)


def answer_to(doctor: Doctor, ident: str) -> Entry:
    found = doctor.all(COLLABORATION_INBOX, FundsAnswered)
    return next(entry for entry in found if entry.key.endswith(ident))


@breaks("R27")
def money_after_the_end(doctor: Doctor, scene: AccountScene) -> None:
    reserved = doctor.find(EVENTS, FundsReserved, collaboration=scene.paid)
    asked = doctor.find(REQUESTS, FundsRequested, collaboration=scene.paid)
    at_the_end(doctor, reserved, replace(reserved.data, n=9, slots=0))
    doctor.copy(asked, replace(asked.data, n=9))


@breaks("R27")
def late_money_that_is_not_called_late(doctor: Doctor, scene: AccountScene) -> None:
    late = doctor.find(EVENTS, CallSettled, collaboration=scene.late, late=True)
    doctor.swap(late, replace(late.data, late=False))


@breaks("R27")
def an_envelope_that_is_never_closed(doctor: Doctor, scene: AccountScene) -> None:
    released = doctor.find(EVENTS, FundsReleased, collaboration=scene.queued)
    doctor.swap(released, replace(released.data, closed=False))


# Snapshots and replays


@breaks("I6")
def a_snapshot_with_other_sums_than_its_events(doctor: Doctor, scene: AccountScene) -> None:
    newest = doctor.all(ACCOUNT_STATE, AccountSnapshot)[-1]
    cells = {
        name: replace(cell, charged_usd=cell.charged_usd + CENT)
        for name, cell in newest.data.state.cells.items()
    }
    doctor.swap(newest, replace(newest.data, state=replace(newest.data.state, cells=cells)))


@breaks("R8")
def a_snapshot_of_an_account_that_is_another_one(doctor: Doctor, scene: AccountScene) -> None:
    newest = doctor.all(ACCOUNT_STATE, AccountSnapshot)[-1]
    state = replace(newest.data.state, forgotten_ms=newest.data.state.forgotten_ms + 1)
    doctor.swap(newest, replace(newest.data, state=state))


@breaks("R8")
def an_account_whose_stale_snapshot_is_the_last(doctor: Doctor, scene: AccountScene) -> None:
    first, *_, newest = doctor.all(ACCOUNT_STATE, AccountSnapshot)
    doctor.copy(first, offset=newest.offset + 1)


@breaks("R8")
def a_commit_that_no_snapshot_of_the_account_covers(doctor: Doctor, scene: AccountScene) -> None:
    *_, before, newest = doctor.all(ACCOUNT_STATE, AccountSnapshot)
    doctor.drop(before, newest)


@breaks("I13")
def a_request_that_nobody_can_read_and_nobody_gave_up(doctor: Doctor, scene: AccountScene) -> None:
    last = doctor.all(REQUESTS, FundsReturned)[-1]
    doctor.copy(last, value=b"{")
    place = TopicPartition(REQUESTS, last.record.partition)
    doctor.committed[place] = last.offset + 1


@breaks("I11")
def an_event_that_does_not_follow_from_what_was_asked(doctor: Doctor, scene: AccountScene) -> None:
    refused = doctor.find(EVENTS, FundsRefused, collaboration=scene.refused)
    refusal = replace(refused.data.refusal, message="because")
    doctor.swap(refused, replace(refused.data, refusal=refusal))
    answer = answer_to(doctor, scene.refused)
    doctor.swap(answer, replace(answer.data, refusal=refusal))


@breaks("R7")
def an_answer_of_the_account_that_is_lost(doctor: Doctor, scene: AccountScene) -> None:
    doctor.drop(answer_to(doctor, scene.refused))


@pytest.mark.parametrize("name", DOCTORED.ways)
def test_doctored_books_are_accused_of_the_rule_they_break(name: str) -> None:
    found = DOCTORED.accused(name)
    assert {violation.rule for violation in found} == {DOCTORED.ways[name][0]}, found
    assert all(violation.text for violation in found)


def test_the_books_that_are_doctored_are_legal() -> None:
    run = account_scene().run
    assert judge(Doctor(run.history()).history(), lease_ms=run.lease_ms, healed_ms=0) == []


@pytest.mark.parametrize(
    "check",
    [c for c in CHECKS if c.rule.__module__.rpartition(".")[2] in BOOKS],
    ids=lambda check: check.rule.__name__,
)
def test_every_check_of_the_books_can_say_no(check: Check) -> None:
    assert DOCTORED.told_by(check)


def test_r27_a_late_result_counts_and_nothing_is_granted_after_the_end() -> None:
    """As the real reducers do it: the books say so, in this order."""
    run, late = account_scene().run, account_scene().late
    entries = [entry_of(record).data for record in run.records(EVENTS)]
    own = [data for data in entries if getattr(data, "collaboration", None) == late]
    closed = next(n for n, data in enumerate(own) if isinstance(data, FundsReleased))
    assert own[closed].closed
    (after,) = own[closed + 1 :]
    assert isinstance(after, CallSettled)
    assert (after.late, after.charged_usd, after.outcome) == (True, COST, "completed")
    assert after.was_usd is not None
    assert after.was_usd > COST
