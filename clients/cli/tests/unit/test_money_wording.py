"""Money in words: what was asked, what is left, what to do."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from clients.cli.tests.scripted_server import ID, TOTALS, events_of, run_of
from facilitair_cli.budget_telling import account_lines
from facilitair_cli.errors import OptionError
from facilitair_cli.estimates import estimate_lines
from facilitair_cli.exits import ExitCode, code_for
from facilitair_cli.money_wording import announcement, breakdown, money_lines, refused, so_far
from facilitair_cli.usages import days_of, instant_of, names_of, report_lines
from facilitair_client import (
    Account,
    Budget,
    Charged,
    Cost,
    CountRange,
    Estimate,
    Event,
    Limit,
    LimitStanding,
    Refusal,
    Slots,
    StepEstimate,
    Transcript,
    UnknownCall,
    Usage,
    UsageReport,
    UsageRow,
    UsdRange,
)

AT = datetime(2026, 12, 1, tzinfo=UTC)
REFUSAL = {
    "code": "limit_reached", "message": "a call may cost 0.05 USD, and 0.01 USD are left",
    "asked_usd": "0.05", "left_usd": "0.01", "scope": "agent", "name": "coder", "window": "day",
    "limit_usd": "5", "spent_usd": "4.98", "reserved_usd": "0.01",
    "turns_at": "2026-12-01T00:00:00Z",
}  # fmt: skip


def told(*events: tuple[str, dict]) -> tuple[Transcript, list[str]]:
    transcript, lines = Transcript(), []
    for seq, (kind, data) in enumerate(events, 1):
        event = Event(id=None, kind=kind, data={"collaboration": ID, "seq": seq, **data})
        transcript.apply(event)
        line = announcement(event, transcript)
        if line is not None:
            lines.append(line)
    return transcript, lines


def test_a_refusal_says_what_is_left_and_what_to_do() -> None:
    _, (line,) = told(("budget.refused", {"refusal": REFUSAL, "policy": "pause"}))
    assert "0.01 USD are left; $4.98 spent, $0.01 reserved" in line
    assert "facilitair budget set --limit agent:coder/day=USD" in line
    assert "wait until it turns" in line
    assert line.endswith("it is paused until somebody resumes it")


def test_a_model_without_a_price_has_another_remedy() -> None:
    text = refused(Refusal(code="price_unknown", message="no price"))
    assert "--unpriced allow" in text
    assert "facilitair budget show" in refused(Refusal(code="stale", message="late"))


@pytest.mark.parametrize(
    ("scope", "advice"),
    [
        ("collaboration", "--budget of facilitair run"),
        ("collaboration", "the workflow's own is in its file"),
        (None, "the budget of the step in its workflow"),
        ("tenant", "--limit tenant/total=USD), or use"),
    ],
)
def test_what_to_do_is_about_the_budget_that_refused(scope, advice) -> None:
    refusal = Refusal(
        code="limit_reached", message="m", scope=scope, name=ID, window="total",
        limit_usd=Decimal(1),
    )  # fmt: skip
    assert advice in refused(refusal)


def test_a_pause_says_how_it_goes_on_and_is_no_end() -> None:
    fault = {"code": "budget_exceeded", "message": "nothing left"}
    transcript, (line,) = told(("collaboration.paused", {"fault": fault}))
    assert f"facilitair resume {ID} [--budget USD]" in line
    assert (transcript.status, transcript.ended) == ("paused", False)
    transcript, lines = told(
        ("collaboration.paused", {"fault": fault}), ("collaboration.resumed", {"actor": "me"})
    )
    assert (lines[-1], transcript.status, transcript.faults) == ("resumed", "running", ())


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"usd": "0.5", "calls": 2, "slots": 1}, "reserved $0.50 for 2 calls, 1 at once"),
        ({"usd": "0.5", "calls": 1, "slots": 0}, "reserved $0.50 for 1 call"),
        ({"usd": None, "calls": 1, "slots": 1}, "reserved calls without a known price, 1 at once"),
    ],
)
def test_a_reservation_is_told(data, line) -> None:
    assert told(("budget.reserved", data))[1] == [line]


def attempt(step: str, *, model: str, cost: str | None, kind: str = "completed", **more) -> tuple:
    totals = {**TOTALS, "cost_usd": cost}
    data = {"step": step, "attempt": 1, "agent": step, "model": model, "totals": totals}
    return f"attempt.{kind}", data | more


def test_what_was_used_so_far_is_summed_by_agent_and_model() -> None:
    transcript, _ = told(
        attempt("coder", model="m1", cost="0.25"), attempt("tester", model="m2", cost="0.50")
    )
    assert so_far(transcript) == "2 calls, 10 tokens in, 14 out, $0.75"
    assert list(breakdown(transcript)) == [
        "  agent coder: 1 call, 5 tokens in, 7 out, $0.25",
        "  agent tester: 1 call, 5 tokens in, 7 out, $0.50",
        "  model m1: 1 call, 5 tokens in, 7 out, $0.25",
        "  model m2: 1 call, 5 tokens in, 7 out, $0.50",
    ]


def test_what_is_unknown_is_never_nothing() -> None:
    transcript, _ = told(
        attempt("coder", model="m", cost="0.25"), attempt("tester", model="m", cost=None)
    )
    assert so_far(transcript).endswith("cost unknown")
    silent = ("attempt.unknown", {"step": "a", "attempt": 1, "agent": "a", "call_id": "c"})
    transcript, _ = told(silent)
    assert "cost unknown" in so_far(transcript)
    assert "1 call with unknown outcome" in so_far(transcript)
    void = ("attempt.unknown", {**silent[1], "void": True})
    assert so_far(told(void)[0]) == ""


def test_simulated_cost_is_marked() -> None:
    transcript, _ = told(
        attempt("coder", model="m", cost="0.25", totals={**TOTALS, "simulated": True})
    )
    assert so_far(transcript).endswith("$0.25 (simulated)")


def test_repeats_count_once() -> None:
    rows = events_of(run_of())
    events = [Event(id=row["id"], kind=row["kind"], data=row["data"]) for row in rows * 2]
    assert Transcript.of(events).running_totals.calls == 1


def test_failing_for_want_of_money_is_a_refusal() -> None:
    assert code_for("failed", faults=["budget_exceeded"]) == ExitCode.REFUSED
    assert code_for("failed", faults=["timeout"]) == ExitCode.FAILED
    assert code_for("completed", faults=["budget_exceeded"]) == ExitCode.DONE


def test_what_a_collaboration_is_charged() -> None:
    totals = Charged(
        calls=3, charged_usd=Decimal("0.40"), unknown_usd=Decimal("0.30"), unpriced_calls=1
    )
    row = {"agent": "coder", "calls": 1, "cost_usd": "0.10", "usage": {}}
    cost = Cost(
        id=ID, status="running", currency="USD", totals=totals, agents=(row,),
        reserved_usd=Decimal("0.5"), budget_usd=Decimal(2),
    )  # fmt: skip
    assert list(money_lines(cost)) == [
        "  agent coder: 1 call, 0 tokens in, 0 out, $0.10",
        "charged to the account: $0.40, $0.30 of it for calls whose outcome is unknown",
        "without a known price, and not charged: 1 call",
        "reserved: $0.50",
        "budget of its own: $2.00",
    ]


def test_an_account_in_lines() -> None:
    call = UnknownCall(
        call_id="call-1", collaboration=ID, agent="coder", charged_usd=Decimal("0.03"), at=AT,
        model="gpt", provider="openai",
    )  # fmt: skip
    limit = LimitStanding(
        scope="tenant", window="month", usd=Decimal(100), spent_usd=Decimal(1),
        reserved_usd=Decimal(0), left_usd=Decimal(99), since=AT, until=AT,
    )  # fmt: skip
    month = Limit(scope="tenant", window="month", usd=Decimal(100))
    account = Account(
        tenant="acme", budget=Budget(timezone="Europe/Berlin", limits=(month,)),
        spent_usd=Decimal(1), reserved_usd=Decimal(0), limits=(limit,),
        slots=(Slots(priority="batch", limit=8, taken=8, waiting=2),), unknown_calls=1,
        unknown=(call,),
    )  # fmt: skip
    text = "\n".join(account_lines(account))
    assert "tenant $100.00 a month: $1.00 spent, $0.00 reserved, $99.00 left" in text
    assert "turns 2026-12-01 01:00 CET" in text
    assert "8 of 8 batch (2 collaborations waiting)" in text
    assert "call-1  2026-12-01 01:00 CET  coder  openai/gpt  $0.03" in text
    assert "nobody knows the outcome: 1 call, $0.03; settle them" in text
    assert "facilitair budget reconcile" in text


def test_limits_that_nothing_counts_against_are_told_too() -> None:
    each = Limit(scope="collaboration", window="total", usd=Decimal(2))
    coder = Limit(scope="agent", name="coder", window="day", usd=Decimal(3), kind="warning")
    account = Account(
        tenant="acme", budget=Budget(limits=(each, coder)), spent_usd=Decimal(0),
        reserved_usd=Decimal(0), open_collaborations=1,
    )  # fmt: skip
    text = "\n".join(account_lines(account))
    assert "$0.00 reserved, 1 collaboration not over" in text
    assert "limit   each collaboration $2.00 in total" in text
    assert "warning agent coder $3.00 a day" in text
    assert "no limits" not in text


def usage(**more) -> UsageRow:
    return UsageRow(calls=2, usage=Usage(input_tokens=10, output_tokens=5), **more)


def test_usage_without_a_price_is_unknown_or_at_least() -> None:
    rows = (
        usage(day="2026-01-01", agent="a", charged_usd=Decimal(0), unpriced_calls=2),
        usage(
            day="2026-01-02",
            agent="b",
            charged_usd=Decimal("0.5"),
            unpriced_calls=1,
            unknown_calls=1,
        ),
    )
    report = UsageReport(
        data=rows, totals=usage(charged_usd=Decimal("0.5"), unpriced_calls=3), by=("day", "agent")
    )
    heading, first, second, total = report_lines(report)
    assert heading.split() == ["day", "agent", "calls", "tokens", "in", "tokens", "out", "charged"]
    assert "unknown  (2 without a price)" in first
    assert "at least $0.50  (1 of unknown outcome, 1 without a price)" in second
    assert total.startswith("all")
    empty = UsageReport(data=(), totals=usage(charged_usd=Decimal(0)), by=("day",))
    assert list(report_lines(empty)) == ["nothing was used in this time"]


def test_spans_are_days_durations_or_times() -> None:
    assert [str(day) for day in days_of(since="2026-01-02", until="2026-01-03")] == [
        "2026-01-02",
        "2026-01-03",
    ]
    found = instant_of("2026-01-02", option="--until", after=True)
    assert found == datetime(2026, 1, 3, tzinfo=UTC)
    assert instant_of("2026-01-02T03:00:00+02:00", option="x") == datetime(
        2026, 1, 2, 1, tzinfo=UTC
    )
    ago = instant_of("7d", option="x")
    assert ago is not None
    assert (datetime.now(UTC) - ago).days == 7
    for wrong in ("yesterday", "2026-01-02T03:00:00", "7"):
        with pytest.raises(OptionError):
            instant_of(wrong, option="x")
    assert names_of("day, agent") == ("day", "agent")
    for wrong in ("", "day,day", "colour"):
        with pytest.raises(OptionError):
            names_of(wrong)


def estimated(**more) -> Estimate:
    one, some = CountRange(low=1, likely=1, high=1), CountRange(low=1, likely=2, high=3)
    step = StepEstimate(
        path="coder", agent="coder", model="m", provider="p", calls=one, input_tokens=some,
        output_tokens=some, usd=more.get("usd"),
    )  # fmt: skip
    fields = {"workflow": "code", "version": "1", "steps": (step,), "calls": one}
    return Estimate(**(fields | {"input_tokens": some, "output_tokens": some} | more))


def test_an_estimate_is_a_range_and_says_what_it_does_not_know() -> None:
    usd = UsdRange(low=Decimal("0.1"), likely=Decimal("0.2"), high=Decimal(3))
    text = "\n".join(estimate_lines(estimated(usd=usd)))
    assert "p/m    1      2 (1 to 3)" in text
    assert "likely $0.20, at most $3.00" in text
    assert "1 of 1 steps never ran" in text
    text = "\n".join(estimate_lines(estimated(unpriced=("p/m",), history="away")))
    assert "unknown" in text
    assert "without a known price: p/m" in text
    assert "accounts does not answer" in text
