"""Shapes of what logic 3 brought: money that is asked for, granted, used and given back."""
# ruff: noqa: D103 - what a shape is called says what it is

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered
from facilitair_events.definitions import Model, Prices, PriceTier
from facilitair_events.requests import AttemptReported, Fault, Parked, ResumeRequested
from facilitair_events.text import inline
from facilitair_testing.funded import model, priced
from facilitair_testing.golden.story import LONG, QUICK, Shape, Story
from facilitair_testing.inbox import cancel, definition, describe, review_loop, step

_CHAIN: Final = priced(definition(step("a"), step("b", "a"), output="b"))
_TIERED: Final = Model(
    name="t",
    provider="p",
    context_window=8_000,
    max_output_tokens=4_000,
    prices=Prices(
        input=Decimal("1.25"),
        output=Decimal(10),
        cached_input=Decimal("0.125"),
        cache_write=Decimal("1.5625"),
        reasoning=Decimal(12),
        tiers=(PriceTier(above_input_tokens=2_000, input=Decimal("2.5"), output=Decimal(15)),),
    ),
)


def answered(story: Story, outcome: str, **more: object) -> None:
    """The account answers the last ask."""
    ask = story.asks[-1]
    fields = {"n": ask.n, "outcome": outcome} | more
    story.feed(FundsAnswered(**fields))  # type: ignore[arg-type]


def granted_and_topped_up(story: Story) -> None:
    steps = [step("s1"), *(step(f"s{n}", f"s{n - 1}") for n in range(2, 8))]
    story.request(priced(definition(*steps, output="s7")))
    story.run_to_end()
    story.feed(describe())


def granted_in_parts(story: Story) -> None:
    story.grants = False
    story.request(priced(definition(*(step(n) for n in "abcdef"), output="a")))
    story.feed(describe())
    story.grant(1, slots=2)
    story.answer(story.open_tasks[0], "x")
    story.grant(2)
    story.feed(describe())
    story.grants = True
    story.run_to_end()


def slots_bound_what_runs(story: Story) -> None:
    story.grants = False
    story.request(priced(definition(*(step(n) for n in "abc"), step("d", *"abc"), output="d")))
    story.grant(slots=1)
    story.run_to_end()


def a_queue_for_a_slot(story: Story) -> None:
    story.grants = False
    story.request(_CHAIN, priority="batch")
    answered(story, "waiting")
    story.feed(describe())
    story.now_ms += 500_000
    story.grant()
    story.run_to_end()


def cancelled_in_the_queue(story: Story) -> None:
    story.grants = False
    story.request(_CHAIN)
    answered(story, "waiting")
    story.feed(cancel())
    story.grant()


def cancelled_before_the_answer(story: Story) -> None:
    story.grants = False
    story.request(_CHAIN)
    story.feed(cancel())
    story.grant()
    story.feed(describe())


def answers_that_nobody_waits_for(story: Story) -> None:
    story.grants = False
    story.feed(FundsAnswered(n=1, outcome="granted"))
    story.request(_CHAIN)
    answered(story, "granted", n=2)
    story.grant()
    story.grant()
    answered(story, "refused")
    story.run_to_end()
    story.grant()


def no_answer_before_it_began(story: Story) -> None:
    story.grants = False
    story.request(_CHAIN)
    story.fire("reserve", early_ms=1)
    story.fire("reserve")
    story.grant()


def no_answer_in_mid_run(story: Story) -> None:
    story.grants = False
    story.request(priced(definition(*(step(n) for n in "abcde"), output="a")))
    story.grant()
    story.fire("reserve")
    story.grant()
    story.run_to_end()


def deadline_from_the_grant(story: Story) -> None:
    story.grants = False
    story.request(priced(definition(step("a"), output="a", timeout_s=30)))
    story.now_ms += 60_000
    story.grant()
    story.fire("deadline")
    story.fail(story.tasks[0], "stopped")


def calls_without_a_price(story: Story) -> None:
    free = Model(name="m", provider="p", prices=Prices(input=Decimal(1)))
    story.request(priced(definition(step("a"), step("b", "a"), output="b"), free))
    story.call(story.tasks[0], cost_usd=None)
    story.silent("void", call_id=story.records[0].id)
    story.run_to_end()


def calls_that_cost_nothing(story: Story) -> None:
    story.request(priced(_CHAIN, model(usd="0")))
    story.run_to_end()


def prices_of_every_kind(story: Story) -> None:
    wanted = priced(review_loop(2), _TIERED, replace(_TIERED, context_window=None))
    story.request(wanted, task=LONG, inputs={"names": ["Zoë", "🙂"]})
    story.overloaded()
    story.run_to_end()


def unknown_and_then_known(story: Story) -> None:
    story.request(_CHAIN)
    story.silent("unknown", model=None)
    story.call(story.tasks[0], cost_usd=Decimal("0.3"))
    story.call(story.tasks[0], cost_usd=Decimal("0.3"))
    story.silent("unknown")
    story.call(story.tasks[0], cost_usd=None, usage=None)
    story.run_to_end()
    story.call(story.tasks[1], cost_usd=Decimal("0.7"))


def void_and_then_known(story: Story) -> None:
    story.request(_CHAIN)
    story.silent("void")
    story.call(story.tasks[0], cost_usd=Decimal("0.2"))
    story.run_to_end()


def told_but_never_reported(story: Story) -> None:
    story.request(_CHAIN)
    story.call(story.tasks[0])
    story.feed(cancel())
    story.fire("ending")


def silent_at_the_end_and_known_after(story: Story) -> None:
    story.request(priced(definition(step("a"), step("b"), output="a")))
    story.feed(cancel())
    story.fire("ending")
    story.call(story.tasks[1], cost_usd=Decimal("0.25"))
    story.call(story.tasks[1], cost_usd=Decimal("0.25"))
    story.call(story.tasks[0], outcome="failed", cost_usd=None, usage=None)


def stopped_in_silence(story: Story) -> None:
    story.request(priced(definition(step("a", timeout_s=10, retry=QUICK), output="a")))
    story.fire("attempt_timeout")
    story.fire("attempt_stop")
    story.fire("retry")
    story.run_to_end()


def never_taken_and_said_so(story: Story) -> None:
    story.request(priced(definition(step("a", timeout_s=10, retry=QUICK), output="a")))
    story.fire("attempt_timeout")
    story.fire("attempt_stop")
    story.fail(story.tasks[0], "stopped")
    story.fire("retry")
    story.feed(cancel())
    story.fire("ending")
    story.fail(story.tasks[1], "stopped")
    story.fail(story.tasks[1], "stopped")
    story.call(story.tasks[1], cost_usd=Decimal("0.2"))


def counted_as_more_than_reserved(story: Story) -> None:
    story.request(_CHAIN)
    for needed in ("3", "5", "5", "5"):
        task = story.tasks[-1]
        story.feed(
            AttemptReported(
                path=task.path,
                attempt=task.attempt,
                outcome="failed",
                fault=Fault(code="reservation_short", message="more", retryable=True),
                needed_usd=Decimal(needed),
            )
        )


def counted_as_more_and_then_called(story: Story) -> None:
    story.request(_CHAIN)
    story.feed(
        AttemptReported(
            path="a",
            attempt=1,
            outcome="failed",
            fault=Fault(code="reservation_short", message="more", retryable=True),
            needed_usd=Decimal(3),
        )
    )
    story.run_to_end()


def parked_with_money(story: Story) -> None:
    story.request(_CHAIN)
    story.feed(Parked(offset=2, reason="output_too_large"))
    story.fail(story.tasks[0], "stopped")
    story.feed(ResumeRequested(client_id="r", actor="me"))


def a_fallback_at_its_own_price(story: Story) -> None:
    story.request(priced(definition(step("a"), output="a"), model("m", "1"), model("n", "7")))
    story.overloaded()
    story.feed(AttemptReported(path="a", attempt=2, outcome="completed", output=inline("reused")))


SHAPES: Final[tuple[Shape, ...]] = (
    granted_and_topped_up,
    granted_in_parts,
    slots_bound_what_runs,
    a_queue_for_a_slot,
    cancelled_in_the_queue,
    cancelled_before_the_answer,
    answers_that_nobody_waits_for,
    no_answer_before_it_began,
    no_answer_in_mid_run,
    deadline_from_the_grant,
    calls_without_a_price,
    calls_that_cost_nothing,
    prices_of_every_kind,
    unknown_and_then_known,
    void_and_then_known,
    told_but_never_reported,
    silent_at_the_end_and_known_after,
    stopped_in_silence,
    never_taken_and_said_so,
    counted_as_more_than_reserved,
    counted_as_more_and_then_called,
    parked_with_money,
    a_fallback_at_its_own_price,
)
