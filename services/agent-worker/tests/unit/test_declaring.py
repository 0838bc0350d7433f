"""What is said of a silent claimant, and when nothing is said after all (R20)."""

from typing import Any

import pytest

from facilitair_agent_worker.claims import Claim
from facilitair_agent_worker.declaring import Declarer, closing_reports
from facilitair_agent_worker.ledger import AttemptKey, OpenCall
from facilitair_events.envelope import Envelope
from facilitair_events.requests import CallReported

KEY = AttemptKey("local:c1:a", 1)
CAUSE = Envelope(
    id="t", type="x", source="s", time="t", subject="c1", tenant="local", project="p", actor="a",
    correlation="r",
)  # fmt: skip
FENCE = Claim(key=KEY, call_id="f", nonce="mine", index=2, sent_s=0.0, cause=CAUSE)


def call(index: int, **state: bool) -> OpenCall:
    return OpenCall(
        call_id=f"k{index}", nonce="n", incarnation="dead", index=index, envelope=CAUSE, **state
    )


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([call(0)], [("unknown", "k0")]),
        ([call(0, done=True), call(1)], [("unknown", "k1")]),
        ([call(0), call(1)], [("unknown", "k0"), ("unknown", "k1")]),
        ([call(0), call(1, fence=True)], [("unknown", "k0")]),
        ([call(0, voided=True)], [("void", "k0")]),
        ([call(0, done=True), call(1, voided=True)], [("void", "k1")]),
        ([call(0, voided=True, done=True)], [("void", "f")]),
        ([call(0, done=True)], [("void", "f")]),
        ([call(0, fence=True)], [("void", "f")]),
    ],
)
def test_r20_open_calls_are_unknown_and_without_one_the_attempt_is_void(
    calls: list[OpenCall], said: list[tuple[str, str]]
) -> None:
    reports = closing_reports(KEY, calls, fence=FENCE)
    assert [(report.outcome, report.call_id) for report in reports] == said


class Scene:
    """Ledger, claims and reports of one attempt, as far as a declarer sees them."""

    def __init__(self, *calls: OpenCall, fence: Claim | None = FENCE) -> None:
        self.known = list(calls)
        self.after = list(calls)
        self.fence = fence
        self.claimed: list[int] = []
        self.sent: list[CallReported] = []
        self.ended: list[str] = []
        me: Any = self
        self.declarer = Declarer(ledger=me, claims=me, reports=me)

    def calls(self, key: AttemptKey) -> list[OpenCall]:
        return self.after if self.claimed else self.known

    async def claim(self, key: AttemptKey, *, index: int, cause: Envelope, fence: bool) -> Any:
        assert fence
        self.claimed.append(index)
        return self.fence

    async def send(self, task: str, reports: list[CallReported], *, cause: Envelope) -> None:
        self.sent += reports

    async def done(self, claim: Claim, *, outcome: str, last: bool) -> None:
        assert last
        self.ended.append(outcome)


async def test_r20_the_next_index_is_claimed_before_anything_is_said() -> None:
    scene = Scene(call(0, done=True), call(1))
    assert await scene.declarer.declare(KEY, still=lambda _: True) == "unknown"
    assert (scene.claimed, scene.ended) == ([2], ["unknown"])


async def test_r20_who_comes_second_at_the_next_index_says_nothing() -> None:
    scene = Scene(call(0), fence=None)
    assert await scene.declarer.declare(KEY, still=lambda _: True) is None
    assert (scene.sent, scene.ended) == ([], [])


async def test_r20_a_renewal_that_came_with_the_fence_saves_the_claimant() -> None:
    scene = Scene(call(0))
    assert await scene.declarer.declare(KEY, still=lambda _: False) is None
    assert (scene.claimed, scene.sent, scene.ended) == ([1], [], [])


async def test_r20_an_attempt_that_ended_meanwhile_is_left_alone() -> None:
    scene = Scene(call(0))
    scene.after = []
    assert await scene.declarer.declare(KEY, still=lambda _: True) is None
    assert scene.sent == []


async def test_r20_what_was_read_up_to_the_fence_is_what_is_said() -> None:
    scene = Scene(call(0))
    scene.after = [call(0, voided=True), call(1, fence=True)]
    assert await scene.declarer.declare(KEY, still=lambda _: True) == "void"
