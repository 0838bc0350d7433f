"""The failing histories of the model of calls, on real workers and with the real ``decide``.

Each is played twice: as the code is, where its promise holds, and with the rule broken, where it
does not. The names are those of the model's cases.
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

import pytest
from msgspec import Struct

from facilitair_agent_worker import attempts, claims, declaring, leased, ledger, log_time
from facilitair_agent_worker.claims import Claim
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_events.ids import call_id
from facilitair_testing.mutation import Mutation, mutation
from facilitair_testing.promises import BrokenPromiseError
from facilitair_workflows.reducing import progress, results

worlds: Any = import_module("services.agent-worker.tests.world")
histories: Any = import_module("services.agent-worker.tests.call_histories")

History = Callable[[Any, Any, Any], Awaitable[None]]


class Case(Struct, frozen=True):
    """``promise`` is how the violation begins.

    A check and its request are one step here, so that a call that the model burns between the two
    is one here that is declared unknown at once while its request runs.
    """

    history: History
    promise: str
    broken: tuple[Mutation, ...]


def unclaimed(key: AttemptKey, last: Any, **_: Any) -> Claim:
    """The claim of an owner that closes an attempt without one."""
    ident = call_id("local", "c1", "a", key.attempt, last.index + 1)
    return Claim(
        key=key, call_id=ident, nonce="none", index=last.index + 1, sent_s=0.0, cause=last.envelope
    )


HANG = "hang"
WALL: dict[str, Any] = {"wall_ms": lambda: worlds.World.latest.clock_ms}
REPORT = "await tools.reports.send(job.key.task, [call, attempt], cause=job.cause)"

CASES = {
    "mutant-commit-before-read-back": Case(
        histories.dies_before_its_claim_is_in_the_log, HANG,
        (
            mutation(
                attempts.Attempts, "_begin",
                ("started = await start()", "started = self._group.create_task(start())"),
            ),
        ),
    ),
    "mutant-unknown-by-wall-clock": Case(
        histories.an_owner_wakes_up_that_has_not_read_the_renewals,
        "unknown declared for a live claimant",
        (
            mutation(
                log_time.LogTime, "advance",
                ("return self._now_ms[partition]", "return at_ms"),
            ),
            mutation(
                log_time.LogTime, "now_ms",
                ("self._now_ms.get(partition, 0)", "wall_ms()"), **WALL,
            ),
            mutation(
                leased.LeasedSilence, "_tick",
                ("if not foreign:", "self._ticked.set()\n            if not foreign:"),
            ),
            mutation(leased.LeasedSilence, "_still_silent", ("return self", "return True or self")),
        ),
    ),
    "mutant-loser-retries": Case(
        histories.both_take_the_task_before_a_claim_is_read, "second request for a call",
        (
            mutation(
                claims.Claims, "_claim",
                ("if self._ledger.won(", "if ident or self._ledger.won("),
            ),
        ),
    ),
    "mutant-done-before-result": Case(
        histories.dies_between_result_and_done, HANG,
        (
            mutation(
                attempts.Attempts, "_report",
                (REPORT, "pass"),
                ("outcome=call.outcome, last=True)", f"outcome=call.outcome, last=True); {REPORT}"),
            ),
        ),
    ),
    "mutant-no-renewal": Case(
        histories.works_for_long_while_another_owns, "unknown declared for a live claimant",
        (mutation(leased.LeasedSilence, "_renew", ("if not self._held:", "if True:")),),
    ),
    "mutant-no-check-before-request": Case(
        histories.is_stopped_before_its_request, "burned",
        (mutation(attempts.Attempts, "_call", ("if began_s -", "if False and began_s -")),),
    ),
    "mutant-closed-attempt-counts": Case(
        histories.answers_when_its_attempt_is_closed, "output of a closed attempt applied",
        (
            mutation(
                results, "on_attempt_reported",
                ("if step is None or step.open != report.attempt:", "if step is None:"),
            ),
        ),
    ),
    "mutant-no-reuse": Case(
        histories.dies_with_the_call_told_and_the_attempt_not, "paid again",
        (mutation(progress, "_finished", ("if call.path == path", "if False")),),
    ),
    "gap-log-time-stands-still": Case(
        histories.dies_with_its_claim_in_the_log, HANG,
        (
            mutation(
                leased.LeasedSilence, "_tick",
                ("await self._means.claims.tick(calls)", "del calls"),
            ),
        ),
    ),
    "gap-void-has-no-outcome": Case(
        histories.is_too_late_and_says_so, HANG,
        (
            mutation(
                attempts.Attempts, "_void",
                ("await self._tools.reports.send(", "nothing("),
                nothing=lambda *_what, **_named: None,
            ),
        ),
    ),
    "gap-void-has-no-outcome: told by the owner": Case(
        histories.is_too_late_and_dies_before_it_says_so, HANG,
        (
            mutation(
                ledger.Ledger, "_go_on",
                ("attempt.calls[call.call_id] = replace(call, voided=True)", "del self._open[key]"),
            ),
        ),
    ),
    "gap-death-between-calls": Case(
        histories.dies_between_two_calls, HANG,
        (mutation(ledger.Ledger, "_go_on", ("if entry.last:", "if True:")),),
    ),
    "gap-attempt-closed-without-a-claim": Case(
        histories.goes_on_to_its_second_call_after_a_long_stop, "burned",
        (
            mutation(
                declaring.Declarer, "declare",
                ("await self._claims.claim(key, ", "unclaimed(key, last, "), unclaimed=unclaimed,
            ),
        ),
    ),
    "gap-check-counts-from-the-last-sending": Case(
        histories.claims_again_after_a_stop, "unknown declared for a live claimant",
        (mutation(claims.Claims, "_claim", ("sent_s=sent_s", "sent_s=max(sent.values())")),),
    ),
    "gap-unknown-after-result-corrects-money": Case(
        histories.unknown_comes_after_the_result, "money",
        (
            mutation(
                results, "_counted",
                ("return known\n", "return replace(known, cost_usd=None)\n"),
            ),
        ),
    ),
    "gap-nonce-per-process": Case(
        histories.is_given_the_task_twice, "second request for a call",
        (
            mutation(
                attempts.Attempts, "_begin",
                ("while (starting := self._starting.get(key)) is not None:", "while False:"),
                ("key in self._held or ", ""),
                ("self._starting.pop(key)", "self._starting.pop(key, asyncio.Event())"),
            ),
            mutation(claims.Claims, "_claim", ("self._new_nonce()", "self._incarnation")),
            mutation(
                claims.Claims, "_append_and_read_back",
                (
                    "self._waiting[entry.nonce] =",
                    "waiter = self._waiting[entry.nonce] = self._waiting.get(entry.nonce) or",
                ),
                ("del self._waiting[entry.nonce]", "self._waiting.pop(entry.nonce, None)"),
            ),
        ),
    ),
    "gap-refusal-without-a-claim": Case(
        histories.refuses_while_the_partition_moves, "burned",
        (
            mutation(
                attempts.Attempts, "_decline",
                (
                    "claim = await claims.claim(key, index=0, cause=cause)",
                    "claim = await self._refuse(key, cause=cause, fault=fault)",
                ),
            ),
        ),
    ),
    "gap-refusal-committed-before-its-answer": Case(
        histories.dies_before_it_has_refused, HANG,
        (
            mutation(
                attempts.Attempts, "_start",
                ("return await self._decline(", "return self._group.create_task(self._decline("),
                ("=error.needed_usd\n            )", "=error.needed_usd)) and False"),
            ),
        ),
    ),
    "gap-log-clock-steps-forward": Case(
        histories.the_clock_of_the_log_steps_forward, "unknown declared for a live claimant",
        (
            mutation(
                log_time.LogTime, "advance",
                ("min(max(gap_ms, 0), self._longest_gap_ms)", "max(gap_ms, 0)"),
            ),
        ),
    ),
    "gap-claim-sent-twice-and-compacted": Case(
        histories.claims_twice_and_compaction_comes, "second request for a call",
        (
            mutation(
                claims.Claims, "_claim",
                ("self._new_nonce()", "next(iter(sent), None) or self._new_nonce()"),
            ),
        ),
    ),
}  # fmt: skip


async def play(history: History) -> None:
    world, one, two = await histories.scene()
    try:
        await history(world, one, two)
        await worlds.finish(world)
    finally:
        for process in world.living():
            await process.end()


@pytest.mark.parametrize("name", CASES)
def test_the_history_keeps_its_promise(name: str) -> None:
    asyncio.run(play(CASES[name].history))


@pytest.mark.parametrize("name", CASES)
def test_the_history_breaks_it_when_the_rule_is_broken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    for broken in case.broken:
        broken.apply(monkeypatch)
    with pytest.raises(BrokenPromiseError, match=case.promise):
        asyncio.run(play(case.history))
