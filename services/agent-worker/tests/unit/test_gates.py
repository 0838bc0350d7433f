"""A gate as a whole: whatever happens at it, its numbers stay numbers and it opens again."""

from hypothesis import given
from hypothesis import strategies as st

from facilitair_agent_worker.breaker import BreakerRules, Ending, Pass
from facilitair_agent_worker.gates import Ended, Gate, Place
from facilitair_events.definitions import RateLimits
from facilitair_llm.provider_faults import MAX_RETRY_AFTER_S
from facilitair_llm.rate_headers import Rates, Window

ENDINGS: tuple[Ending, ...] = ("answered", "failed", "barred", "undecided")
RULES = BreakerRules(failures=3, open_s=5, longest_s=20, barred_s=30)

windows = st.builds(
    lambda limit, left, reset_s, fixed: Window(
        limit=limit, remaining=min(left, limit), reset_s=reset_s, fixed=fixed
    ),
    st.integers(1, 10_000),
    st.integers(0, 10_000),
    st.none() | st.floats(0, 1e6),
    st.booleans(),
)
limits = st.builds(
    RateLimits,
    requests_per_minute=st.none() | st.integers(1, 5000),
    tokens_per_minute=st.none() | st.integers(1, 10**7),
)
endeds = st.builds(
    lambda ending, limited, retry_after_s, tokens: Ended(
        ending="undecided" if limited else ending,
        reason="x",
        limited=limited,
        retry_after_s=retry_after_s,
        tokens=tokens,
    ),
    st.sampled_from(ENDINGS),
    st.booleans(),
    st.none() | st.floats(0, 600),
    st.none() | st.integers(0, 100_000),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.floats(0, 30), st.integers(1, 50_000)),
        st.tuples(st.just("end"), st.floats(0, 30), endeds),
        st.tuples(st.just("hear"), st.floats(0, 30), st.builds(Rates, requests=windows)),
        st.tuples(st.just("hear"), st.floats(0, 30), st.builds(Rates, tokens=windows)),
        st.tuples(st.just("leave"), st.floats(0, 30), st.none()),
    ),
    max_size=60,
)


def call(gate: Gate, tokens: int, *, now_s: float) -> tuple[Place, Pass] | None:
    """As admission does it, without waiting."""
    if gate.wait_s(tokens, now_s=now_s) > 0:
        assert gate.send_away(tokens, now_s=now_s) > 0
        return None
    leave = gate.breaker.enter(now_s=now_s)
    return None if leave is None else (gate.line_up(tokens, now_s=now_s), leave)


@given(limits, steps)
def test_any_history_leaves_a_gate_that_opens_again(
    limit: RateLimits, history: list[tuple[str, float, object]]
) -> None:
    gate = Gate(limits=limit, rules=RULES, now_s=0)
    out: list[tuple[Place, Pass]] = []
    now_s = 0.0
    for what, passed_s, value in history:
        now_s += passed_s
        match value:
            case int():
                begun = call(gate, value, now_s=now_s)
                out += [] if begun is None else [begun]
            case Rates():
                gate.hear(value, now_s=now_s)
            case Ended() if out:
                place, leave = out.pop(0)
                gate.end(place, leave, ended=value, now_s=now_s)
            case _ if what == "leave" and out:
                place, leave = out.pop()
                gate.leave_line(place)
                gate.breaker.leave(leave, "undecided", reason="", now_s=now_s)
        assert gate.in_use == len(out)
        assert 0 <= gate.pause_s(now_s=now_s) <= MAX_RETRY_AFTER_S
        assert 0 <= gate.wait_s(1, now_s=now_s) < float("inf")
    for place, leave in out:
        good = Ended(ending="answered", reason="answered")
        gate.end(place, leave, ended=good, now_s=now_s)
    now_s += max(gate.wait_s(1, now_s=now_s), gate.breaker.retry_after_s(now_s=now_s) or 0) + 1e-3
    assert gate.in_use == 0
    assert call(gate, 1, now_s=now_s) is not None
