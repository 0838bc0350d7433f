from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from facilitair_client import Event, Transcript

TOTALS = {"usage": {"input_tokens": 5, "output_tokens": 7}, "calls": 1, "cost_usd": "0.5"}


class Story:
    """Events as a gateway sends them."""

    def __init__(self):
        self.events = []
        self.seq = 0

    def numbered(self, kind, **data):
        self.seq += 1
        data = {"collaboration": "c1", "seq": self.seq, "at": "2026-01-01T00:00:00Z", **data}
        self.events.append(Event(f"0-{len(self.events)}-{self.seq}", kind, data))
        return self

    def on_stream(self, kind, **data):
        self.events.append(Event(f"0-{len(self.events)}-{self.seq}", kind, data))
        return self

    def attempt(self, step, number, chunks, *, output=None, model="simulated"):
        self.numbered(
            "step.scheduled", step=step, agent="coder", attempt=number, model=model, reason="first"
        )
        kind = "attempt.started" if number == 1 else "attempt.reset"
        self.on_stream(kind, step=step, attempt=number, agent="coder", model=model, simulated=True)
        for index, text in enumerate(chunks):
            self.on_stream(
                "token", step=step, attempt=number, agent="coder", index=index, text=text
            )
        if output is not None:
            self.numbered(
                "attempt.completed",
                step=step,
                agent="coder",
                attempt=number,
                output=output,
                totals=TOTALS,
            )
            self.numbered("step.completed", step=step, agent="coder", attempt=number)
        return self


def inline(text):
    return {"size": len(text.encode()), "text": {"k": None, "v": text}}


def accepted():
    return Story().numbered(
        "collaboration.accepted", workflow="code", task=inline("do it"), steps=["coder"]
    )


def finished(story, step="coder"):
    return story.numbered(
        "collaboration.completed", step=step, attempt=1, duration_ms=1200, totals=TOTALS
    )


def test_a_run_is_told_from_its_events():
    story = finished(accepted().attempt("coder", 1, ["a", "b"], output=inline("ab")))
    transcript = Transcript.of(story.events)
    assert (transcript.status, transcript.task, transcript.workflow) == (
        "completed",
        "do it",
        "code",
    )
    assert transcript.result == "ab"
    assert transcript.totals.cost_usd == Decimal("0.5")
    assert transcript.duration_ms == 1200
    assert transcript.simulated
    assert transcript.steps["coder"].whole


def test_only_the_latest_attempt_counts():
    story = accepted().attempt("coder", 1, ["old", "er"])
    story.numbered(
        "attempt.failed",
        step="coder",
        agent="coder",
        attempt=1,
        fault={"code": "timeout", "message": "too slow", "retryable": True},
        totals=TOTALS,
        retry_at="2026-01-01T00:00:01Z",
    )
    assert Transcript.of(story.events).steps["coder"].status == "retrying"
    story.attempt("coder", 2, ["new"])
    late = Event(
        None, "token", {"step": "coder", "attempt": 1, "agent": "x", "index": 9, "text": "late"}
    )
    transcript = Transcript.of([*story.events, late])
    assert transcript.steps["coder"].text == "new"
    assert transcript.steps["coder"].attempt == 2
    assert transcript.steps["coder"].fault is None


def test_a_late_chunk_of_an_attempt_that_is_over_is_dropped_before_the_next_is_announced():
    story = accepted().attempt("coder", 1, ["old"])
    story.numbered(
        "step.scheduled", step="coder", agent="coder", attempt=2, model="m", reason="retry"
    )
    story.on_stream("token", step="coder", attempt=1, agent="coder", index=1, text="er")
    assert Transcript.of(story.events).steps["coder"].text == ""


def test_the_result_is_authoritative():
    story = accepted().attempt("coder", 1, ["lost", "parts"], output=inline("the whole"))
    assert Transcript.of(story.events).steps["coder"].text == "the whole"


def test_a_result_that_does_not_travel_inline_is_what_was_streamed():
    output = {"size": 4, "artifact": {"uri": "u", "sha256": "0", "size": 4}}
    story = accepted().attempt("coder", 1, ["ab", "cd"], output=output)
    step = Transcript.of(story.events).steps["coder"]
    assert (step.text, step.whole) == ("abcd", True)
    without_chunks = [event for event in story.events if event.kind != "token"]
    assert not Transcript.of(without_chunks).steps["coder"].whole


def test_a_failure_says_where_and_why():
    story = accepted().attempt("coder", 1, ["a"])
    fault = {"code": "timeout", "message": "no answer"}
    story.numbered("step.failed", step="coder", agent="coder", fault=fault)
    story.numbered("collaboration.failed", step="coder", fault=fault, duration_ms=1, totals=TOTALS)
    transcript = Transcript.of(story.events)
    assert (transcript.status, transcript.failed_step) == ("failed", "coder")
    assert transcript.faults[0].code == "timeout"
    assert transcript.result is None
    assert transcript.steps["coder"].status == "failed"


def test_a_refusal_has_all_faults():
    story = Story().numbered(
        "collaboration.refused",
        faults=[{"code": "a", "message": "one"}, {"code": "b", "message": "two"}],
    )
    transcript = Transcript.of(story.events)
    assert transcript.status == "refused"
    assert [fault.code for fault in transcript.faults] == ["a", "b"]


def test_a_cancelled_one_says_why_and_leaves_nothing_running():
    story = accepted().attempt("coder", 1, ["a"])
    story.numbered(
        "collaboration.cancelled",
        actor="local",
        reason={"k": None, "v": "enough"},
        duration_ms=1,
        totals=TOTALS,
    )
    transcript = Transcript.of(story.events)
    assert transcript.reason == "enough"
    assert transcript.steps["coder"].status == "stopped"


def test_a_step_is_found_by_its_id_in_its_latest_round():
    story = accepted().attempt("coder", 1, ["first"], output=inline("first"))
    story.numbered("step.started", step="review", iteration=1)
    story.attempt("review.1.coder", 1, ["second"], output=inline("second"))
    story.numbered("step.skipped", step="review.2.coder")
    transcript = Transcript.of(story.events)
    assert transcript.latest("coder").path == "coder"
    assert transcript.latest("review.1.coder").text == "second"
    assert transcript.latest("nobody") is None


STORY = finished(
    accepted().attempt("coder", 1, ["x"]).attempt("coder", 2, list("abc"), output=inline("abc"))
).events


@given(st.lists(st.integers(min_value=0, max_value=len(STORY)), max_size=5))
def test_r31_every_token_of_the_final_attempt_once_in_order_whatever_is_repeated(drops):
    repeated = [event for drop in sorted(drops) for event in STORY[:drop]] + STORY
    transcript = Transcript.of(repeated)
    assert "".join(transcript.steps["coder"].written) == "abc" == transcript.result


def test_a_fallback_a_continuation_and_a_part_are_told():
    story = Story().attempt("code", 1, [])
    fault = {"code": "overloaded", "message": "busy"}
    at = {"step": "code", "agent": "coder"}
    story.numbered("attempt.failed", **at, attempt=1, fault=fault, totals=TOTALS)
    story.numbered("step.scheduled", **at, attempt=2, model="n", provider="q", reason="fallback")
    step = Transcript.of(story.events).steps["code"]
    assert (step.status, step.reason, step.model, step.provider) == (
        "scheduled", "fallback", "n", "q",
    )  # fmt: skip
    assert (step.fault, step.partial) == (None, None)
    output = {"size": 4, "text": {"k": None, "v": "half"}}
    story.numbered(
        "attempt.completed", **at, attempt=2, output=output, totals=TOTALS, partial="length"
    )
    story.numbered("step.completed", **at, attempt=2, partial="length")
    story.numbered(
        "collaboration.completed", step="code", attempt=2, partial_steps=["code"], totals=TOTALS
    )
    told = Transcript.of(story.events)
    assert (told.result, told.partial_steps) == ("half", ("code",))
    assert told.steps["code"].partial == "length"


def test_a_whole_answer_after_a_part_is_not_marked():
    whole = {"size": 5, "text": {"k": None, "v": "whole"}}
    told = Transcript.of(Story().attempt("code", 1, ["whole"], output=whole).events)
    assert (told.steps["code"].partial, told.partial_steps) == (None, ())
