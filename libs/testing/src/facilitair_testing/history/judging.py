"""All rules over one history."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from facilitair_testing.history import (
    account_outcomes,
    calls,
    cursors,
    deadlines,
    entries_of_calls,
    envelopes,
    given_up,
    headers,
    letters,
    lifecycles,
    limits,
    money,
    outcomes,
    replies,
    sequences,
    silences,
    snapshots,
    streams,
    submits,
    viewers,
)
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import History, Terms, Violation
from facilitair_testing.promises import BrokenPromiseError

Rule = Callable[[Index], Iterator[Violation]]


class Check(Struct, frozen=True):
    """A rule, and what explains its violations.

    A collaboration that was accused of one of ``unless`` before is not accused by this rule: it
    would say the same fault again, less plainly.
    """

    rule: Rule
    unless: frozenset[str] = frozenset()


_COUNTED: Final = frozenset({"R12", "I3", "R17", "R31"})
_STREAMED: Final = _COUNTED | {"I1", "I8"}
_BOOKED: Final = frozenset({"R12", "R25", "R31"})
_ANYTHING: Final = frozenset({"*"})

CHECKS: Final[tuple[Check, ...]] = (
    Check(headers.r31_headers_say_what_is_needed),
    Check(calls.r18_ledger_records_hold_no_text),
    Check(letters.i13_dead_letters_are_whole_and_one_per_group),
    Check(submits.i01_what_was_accepted_is_in_the_log),
    Check(submits.i01_what_was_accepted_stays_known),
    Check(submits.i01_nothing_accepted_is_lost),
    Check(submits.i02_one_collaboration_for_a_key),
    Check(submits.i02_repeats_are_told_apart),
    Check(sequences.r12_sequences_are_dense),
    Check(sequences.r12_copies_are_the_events, frozenset({"R12", "R31"})),
    Check(calls.r19_a_nonce_is_of_one_claim, frozenset({"R18"})),
    Check(calls.r17_ids_follow_from_what_they_name),
    Check(calls.r17_attempts_count_up, frozenset({"R12"})),
    Check(calls.r19_each_request_has_an_earlier_claim, frozenset({"R17", "R18"})),
    Check(calls.r19_only_the_winner_speaks, frozenset({"R17", "R18", "R19"})),
    Check(silences.r20_only_the_silent_are_declared, frozenset({"R17", "R18"})),
    Check(silences.r20_results_precede_done, frozenset({"R17", "R18"})),
    Check(money.i06_what_is_charged_was_asked, frozenset({"R17", "R18", "R19"})),
    Check(envelopes.r12_accounts_are_dense),
    Check(envelopes.r25_a_number_is_one_request),
    Check(envelopes.r25_a_number_counts_once, _BOOKED),
    Check(entries_of_calls.i06_a_call_has_one_payer),
    Check(entries_of_calls.i05_entries_have_a_claim, _BOOKED | {"I6"}),
    Check(entries_of_calls.i06_an_entry_says_why),
    Check(entries_of_calls.i06_one_result_counts, _BOOKED),
    Check(entries_of_calls.i06_settled_is_what_was_billed, _BOOKED),
    Check(entries_of_calls.i06_every_bill_is_in_the_books, _BOOKED | {"I5"}),
    Check(entries_of_calls.i06_sums_cover_the_bills, _BOOKED),
    Check(limits.i07_no_grant_goes_over_a_limit, _BOOKED),
    Check(limits.i07_nothing_spent_goes_over_a_limit, _BOOKED),
    Check(limits.r26_slots_are_a_limit, _BOOKED),
    Check(envelopes.r27_after_the_end_nothing_is_granted, _BOOKED),
    Check(envelopes.r25_what_is_in_the_books_was_asked, _BOOKED | {"I6", "I7", "R26", "R27"}),
    Check(envelopes.r26_answers_are_to_requests, _BOOKED),
    Check(envelopes.r27_the_end_gives_everything_back, _BOOKED | {"I13"}),
    Check(limits.i06_a_snapshot_has_the_sums_of_its_events, _BOOKED | {"I5", "I7", "R27"}),
    Check(calls.r22_finished_calls_are_not_paid_again),
    Check(silences.r23_a_stop_ends_what_it_names),
    Check(streams.i08_attempts_are_announced, frozenset({"R31"})),
    Check(streams.i08_chunks_are_dense, frozenset({"R31"})),
    Check(streams.i08_chunks_add_up_to_the_result, _STREAMED),
    Check(streams.i08_chunks_precede_the_completion, _STREAMED),
    Check(streams.r07_results_follow_their_chunks, _STREAMED | {"R23"}),
    Check(letters.i13_what_cannot_be_decided_fails, frozenset({"R26"})),
    Check(given_up.i13_a_task_that_is_given_up_ends_in_failure),
    Check(given_up.i13_only_what_cannot_be_handled_is_given_up, frozenset({"I13"})),
    Check(sequences.i03_everything_accepted_ends_once, frozenset({"R12", "I13", "R31"})),
    Check(deadlines.i03_everything_ends_by_its_deadline, frozenset({"I3"})),
    Check(lifecycles.i04_events_are_a_legal_path, _COUNTED),
    Check(viewers.i08_viewers_see_each_event_once, _STREAMED | {"I4", "I13"}),
    Check(cursors.r31_cursors_say_what_was_shown, _STREAMED | {"I4", "I13"}),
    Check(cursors.i08_viewers_see_the_end, _STREAMED | {"I4", "I13"}),
    Check(replies.i08_the_stream_begins_before_its_first_event),
    Check(outcomes.r07_commands_follow_their_events, _COUNTED | {"I4"}),
    Check(calls.r21_no_task_is_forgotten, frozenset({"R7", "R17", "R19"})),
    Check(snapshots.r14_a_stub_is_left),
    Check(snapshots.r14_a_state_outlives_its_inbox),
    Check(snapshots.r08_the_newest_snapshot_is_the_last),
    Check(snapshots.r08_what_is_committed_is_covered, frozenset({"R8", "I1"})),
    Check(account_outcomes.r08_the_newest_account_is_the_last),
    Check(account_outcomes.r08_what_accounts_committed_is_covered, frozenset({"R8"})),
    Check(account_outcomes.i13_an_account_goes_on),
    Check(envelopes.i06_the_books_say_what_the_collaboration_says, _ANYTHING),
    Check(account_outcomes.i11_account_events_are_those_of_the_requests, _ANYTHING),
    Check(account_outcomes.r08_account_snapshots_are_what_a_replay_gives, _ANYTHING),
    Check(account_outcomes.r07_answers_are_those_of_the_requests, _ANYTHING),
    Check(snapshots.r08_snapshots_are_what_a_replay_gives, _ANYTHING),
    Check(replies.r15_replies_are_those_of_the_inbox, _ANYTHING),
    Check(outcomes.r07_commands_are_those_of_the_inbox, _ANYTHING),
    Check(outcomes.i11_events_are_those_of_the_inbox, _ANYTHING),
)
"""In this order: what is told first explains what follows."""


def judge(
    history: History,
    *,
    lease_ms: int,
    ended: bool = True,
    repaired: bool = True,
    stop_grace_ms: int = 5_000,
    skew_ms: int = 0,
    jumps_ms: int = 0,
    healed_ms: int | None = None,
) -> list[Violation]:
    """What is wrong with a history; nothing for a legal one. The parameters are those of ``Terms``.

    Pure. A history that breaks a rule in a thousand places gives a thousand violations.
    """
    terms = Terms(
        lease_ms=lease_ms, ended=ended, repaired=repaired, stop_grace_ms=stop_grace_ms,
        skew_ms=skew_ms,
        jumps_ms=jumps_ms,
        healed_ms=healed_ms,
    )  # fmt: skip
    return judged(Index(history, terms), CHECKS)


def hold(
    history: History, *, lease_ms: int, ended: bool = True, healed_ms: int | None = None
) -> None:
    """Raise BrokenPromiseError for a history that ``judge`` finds anything wrong with."""
    found = judge(history, lease_ms=lease_ms, ended=ended, healed_ms=healed_ms)
    hold_none(found)


def hold_none(found: Sequence[Violation | str]) -> None:
    """Raise BrokenPromiseError where there are violations; each is named."""
    if found:
        seen = "\n".join(map(str, found))
        raise BrokenPromiseError(promise="no rule is broken", seen=seen)


def judged(index: Index, checks: Iterable[Check]) -> list[Violation]:
    """What these checks say."""
    found: list[Violation] = []
    accused: dict[str, set[str]] = {}
    for check in checks:
        for violation in list(check.rule(index)):
            known = _known(accused, violation.key)
            if not (known & check.unless or (known - {violation.rule} and "*" in check.unless)):
                found.append(violation)
        accused = {}
        for violation in found:
            accused.setdefault(violation.key, set()).add(violation.rule)
    return found


def _known(accused: dict[str, set[str]], key: str) -> set[str]:
    """What a collaboration or its tenant's account was accused of; for an account, all of them.

    What is wrong with one collaboration's money is wrong with the account, and the other way round.
    """
    tenant, _, collaboration = key.partition(":")
    if collaboration:
        return accused.get(key, set()) | accused.get(tenant, set())
    of_tenant = (rules for name, rules in accused.items() if name.partition(":")[0] == tenant)
    return set().union(*of_tenant)
