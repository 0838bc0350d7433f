"""R20, R25, R27: every call that was asked is charged once; a later result sets its money."""

from decimal import Decimal

from msgspec.structs import replace

from facilitair_events.accounts import CallCharged
from facilitair_events.requests import Parked
from facilitair_testing.funded import FundedInbox, model, priced
from facilitair_testing.inbox import cancel, definition, reloaded, step

ONE = priced(definition(step("a"), output="a"))


def started(wanted=ONE) -> FundedInbox:
    inbox = FundedInbox()
    inbox.request(wanted)
    return inbox


def money(charged: CallCharged) -> tuple[object, ...]:
    return (charged.outcome, charged.charged_usd, charged.was_usd, charged.reserved_usd)


def test_r20_an_unknown_call_is_charged_at_its_reservation_and_a_result_sets_it() -> None:
    inbox = started()
    task = inbox.tasks[0]
    inbox.call(task, outcome="unknown", cost_usd=None, usage=None, model=None)
    inbox.call(task, cost_usd=Decimal("0.3"))
    assert [money(charged) for charged in inbox.charges] == [
        ("unknown", Decimal(1), None, Decimal(1)),
        ("completed", Decimal("0.3"), Decimal(1), None),
    ]
    assert inbox.charges[0].model == "m"
    assert inbox.charges[0].provider == "p"


def test_r20_a_result_that_is_told_twice_is_charged_once() -> None:
    inbox = started()
    for _ in range(2):
        inbox.call(inbox.tasks[0])
    inbox.call(inbox.tasks[0], outcome="unknown", cost_usd=None, usage=None)
    assert len(inbox.charges) == 1


def test_r20_a_late_result_without_a_cost_settles_the_call_at_what_was_charged() -> None:
    inbox = started()
    inbox.call(inbox.tasks[0], outcome="unknown", cost_usd=None, usage=None, model=None)
    for _ in range(2):
        inbox.call(inbox.tasks[0], outcome="failed", cost_usd=None, usage=None)
    assert money(inbox.charges[-1]) == ("failed", Decimal(1), Decimal(1), None)
    assert len(inbox.charges) == 2


def test_r20_a_void_call_gives_its_money_back_to_the_next_attempt() -> None:
    inbox = started()
    inbox.call(inbox.tasks[0], outcome="void", cost_usd=None, usage=None)
    assert inbox.charges == []
    assert len(inbox.tasks) == 2
    assert len(inbox.asks) == 1


def test_a_call_that_was_void_and_answers_after_all_is_charged_and_counted() -> None:
    inbox = started()
    inbox.call(inbox.tasks[0], outcome="void", cost_usd=None, usage=None)
    inbox.call(inbox.tasks[0], cost_usd=Decimal("0.2"))
    assert money(inbox.charges[0]) == ("completed", Decimal("0.2"), None, None)
    inbox.run_to_end()
    assert inbox.events[-1].totals.calls == 2


def test_a_cost_that_nobody_knows_is_the_reservation() -> None:
    inbox = started()
    inbox.call(inbox.tasks[0], cost_usd=None, usage=None)
    [charged] = inbox.charges
    assert (charged.charged_usd, charged.cost_usd, charged.priced) == (Decimal(1), None, True)


def test_a_call_without_a_price_is_charged_nothing_and_says_so() -> None:
    inbox = started(definition(step("a"), output="a"))
    inbox.call(inbox.tasks[0], cost_usd=None)
    [charged] = inbox.charges
    assert (charged.charged_usd, charged.priced, charged.reserved_usd) == (Decimal(0), False, None)


def test_a_declined_call_costs_nothing_and_frees_its_reservation() -> None:
    inbox = started()
    inbox.call(inbox.tasks[0], outcome="failed", cost_usd=Decimal(0), usage=None)
    assert money(inbox.charges[0]) == ("failed", Decimal(0), None, Decimal(1))
    inbox.fail(inbox.tasks[0], "rate_limited", retryable=True)
    assert inbox.funds.unused == {"a": Decimal(0)}


def test_r14_silence_at_the_end_is_charged_before_the_close() -> None:
    inbox = started(priced(definition(step("a"), step("b"), output="a")))
    inbox.feed(cancel())
    inbox.fire("ending")
    kinds = [type(told).__name__ for told in inbox.money]
    assert kinds == ["FundsRequested", "CallCharged", "CallCharged", "FundsReturned"]
    assert {charged.outcome for charged in inbox.charges} == {"unknown"}


def test_r14_r27_a_result_after_the_end_sets_the_money_from_the_stub() -> None:
    inbox = started()
    inbox.feed(cancel())
    inbox.fire("ending")
    inbox.state = reloaded(inbox.state)
    inbox.call(inbox.tasks[0], cost_usd=Decimal("0.25"))
    last = inbox.money[-1]
    assert money(last) == ("completed", Decimal("0.25"), Decimal(1), None)
    assert last.n == len(inbox.money)
    before = inbox.state
    assert inbox.call(inbox.tasks[0], cost_usd=Decimal("0.25")).state is before


def test_a_call_that_was_told_is_not_unknown_because_its_attempt_is() -> None:
    inbox = started()
    inbox.call(inbox.tasks[0])
    inbox.feed(cancel())
    inbox.fire("ending")
    assert len(inbox.charges) == 1
    assert inbox.events[-1].totals.calls == 1


def test_an_attempt_that_is_stopped_in_silence_is_charged() -> None:
    inbox = started(priced(definition(step("a", timeout_s=10), output="a")))
    inbox.fire("attempt_timeout")
    inbox.fire("attempt_stop")
    assert money(inbox.charges[0]) == ("unknown", Decimal(1), None, Decimal(1))
    inbox.fire("retry")
    assert len(inbox.tasks) == 2
    assert inbox.asks[-1].parts[0].usd == Decimal(1)


def test_what_is_too_large_closes_too() -> None:
    inbox = started()
    inbox.feed(Parked(offset=2, reason="output_too_large"))
    inbox.fail(inbox.tasks[0], "stopped")
    assert inbox.kinds[-1] == "collaboration.failed"
    assert inbox.returns[-1].close


def test_the_state_says_what_was_charged() -> None:
    inbox = started()
    inbox.call(inbox.tasks[0])
    assert inbox.state is not None
    assert [call.charged_usd for call in inbox.state.calls.values()] == [Decimal("0.01")]
    assert inbox.state.steps["a"].reserved_usd is None


def test_a_model_of_another_name_is_told_without_a_price_version() -> None:
    wanted = priced(ONE, replace(model(), name="other"), model())
    inbox = started(wanted)
    inbox.fail(inbox.tasks[0], "overloaded", retryable=True)
    inbox.call(inbox.tasks[1])
    assert (inbox.charges[0].model, inbox.charges[0].price_version) == ("m", "2026-01")


def test_a_task_that_nobody_took_in_time_costs_nothing_once_a_worker_says_so() -> None:
    inbox = started(priced(definition(step("a", timeout_s=10), output="a")))
    inbox.fire("attempt_timeout")
    inbox.fire("attempt_stop")
    for _ in range(2):
        inbox.fail(inbox.tasks[0], "stopped")
    assert [money(charged) for charged in inbox.charges] == [
        ("unknown", Decimal(1), None, Decimal(1)),
        ("failed", Decimal(0), Decimal(1), None),
    ]
    inbox.fire("retry")
    inbox.run_to_end()
    assert inbox.events[-1].totals.calls == 1


def test_r27_also_after_the_end() -> None:
    inbox = started()
    inbox.feed(cancel())
    inbox.fire("ending")
    inbox.fail(inbox.tasks[0], "stopped")
    assert money(inbox.money[-1]) == ("failed", Decimal(0), Decimal(1), None)
    inbox.call(inbox.tasks[0], cost_usd=Decimal("0.2"))
    assert money(inbox.money[-1]) == ("completed", Decimal("0.2"), Decimal(0), None)


def test_a_call_that_was_told_stays_charged_when_its_attempt_is_reported_late() -> None:
    inbox = started()
    inbox.feed(cancel())
    inbox.fire("ending")
    inbox.call(inbox.tasks[0], outcome="failed", cost_usd=None, usage=None)
    inbox.fail(inbox.tasks[0], "stopped")
    assert money(inbox.money[-1]) == ("failed", Decimal(1), Decimal(1), None)
