"""The ledger as a fold: first claims win, whatever else the log holds."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from facilitair_agent_worker.ledger import AttemptKey, Ledger
from facilitair_agent_worker.log_time import LogTime
from facilitair_events.envelope import Envelope
from facilitair_events.work import CallClaimed, CallDone, CallVoided

TASK = "local:c1:a"
CAUSE = Envelope(
    id="t", type="x", source="s", time="t", subject="c1", tenant="local", project="p", actor="a",
    correlation="r",
)  # fmt: skip


def claim(
    call: str, nonce: str, *, attempt: int = 1, index: int = 0, by: str = "me"
) -> CallClaimed:
    return CallClaimed(
        call_id=call, nonce=nonce, incarnation=by, path="a", attempt=attempt, index=index
    )


def done(call: str, nonce: str, *, attempt: int = 1, last: bool = True) -> CallDone:
    return CallDone(
        call_id=call, nonce=nonce, path="a", attempt=attempt, outcome="completed", last=last
    )


def fold(*entries: Struct) -> Ledger:
    ledger = Ledger(kept_ms=1_000, time=LogTime(longest_gap_ms=1_000))
    for entry in entries:
        ledger.apply(TASK, entry, envelope=CAUSE, partition=0, at_ms=1_000)
    return ledger


@given(st.lists(st.sampled_from(["n1", "n2", "n3"]), min_size=1))
def test_r19_the_first_nonce_in_the_log_wins_and_only_that(nonces: list[str]) -> None:
    ledger = fold(*(claim("k", nonce) for nonce in nonces))
    won = [n for n in ("n1", "n2", "n3") if ledger.won(AttemptKey(TASK, 1), call_id="k", nonce=n)]
    assert won == [nonces[0]]


def test_r21_claimed_counts_for_this_and_every_earlier_attempt() -> None:
    ledger = fold(claim("k", "n", attempt=2))
    assert [ledger.claimed(TASK, attempt) for attempt in (1, 2, 3)] == [True, True, False]
    assert not ledger.claimed("local:c1:b", 1)


def test_r20_orphans_are_the_open_attempts_of_others() -> None:
    ledger = fold(claim("k", "n", by="dead"), claim("m", "o", attempt=2, by="me"))
    [key] = ledger.orphans("me")
    assert key == AttemptKey(TASK, 1)
    assert [call.call_id for call in ledger.calls(key)] == ["k"]


def test_r20_a_closed_attempt_is_no_orphan_and_a_late_claim_does_not_open_it_again() -> None:
    ledger = fold(claim("k", "n", by="dead"), done("k", "n"), claim("k", "late", by="dead"))
    assert ledger.orphans("me") == []
    assert not ledger.won(AttemptKey(TASK, 1), call_id="k", nonce="late")


def test_a_finished_call_of_an_open_attempt_is_not_silent() -> None:
    ledger = fold(claim("k", "n", by="dead"), done("k", "n", last=False))
    [call] = ledger.calls(AttemptKey(TASK, 1))
    assert call.done


def test_only_the_owner_of_a_claim_can_void_it() -> None:
    void = CallVoided(call_id="k", nonce="other", path="a", attempt=1)
    own = CallVoided(call_id="k", nonce="n", path="a", attempt=1)
    [kept] = fold(claim("k", "n", by="dead"), void).calls(AttemptKey(TASK, 1))
    [voided] = fold(claim("k", "n", by="dead"), own).calls(AttemptKey(TASK, 1))
    assert (kept.voided, voided.voided) == (False, True)
