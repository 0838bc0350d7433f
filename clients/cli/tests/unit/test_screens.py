import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from facilitair_cli.live_screen import LiveScreen
from facilitair_cli.screens import JsonScreen, PlainScreen
from facilitair_cli.terminal_text import harmless, one_line
from facilitair_cli.wording import spent
from facilitair_client import Event, Submitted, Totals, Transcript
from facilitair_client.results import Usage

SUBMITTED = Submitted(id="c1", status="accepted", stream="/s", cursor="0-1-0")
TOTALS = {"usage": {"input_tokens": 5, "output_tokens": 1234}, "calls": 1, "cost_usd": "0.5"}
WAITS = {"at": "2026-01-01T00:00:00.500000Z", "retry_at": "2026-01-01T00:00:03Z"}
NASTY = "\x1b[2Jclear \x9b31m red \x07 bell \r over \u202e right [bold]x[/bold] :smile:"


def story(text="hello\nworld", step="coder"):
    output = {"size": len(text.encode()), "text": {"k": None, "v": text}}
    middle = len(text) // 2
    attempt = {"step": step, "agent": "coder", "attempt": 1}
    return [
        Event(
            "0-2-1", "collaboration.accepted", {"collaboration": "c1", "seq": 1, "workflow": "w"}
        ),
        Event("0-3-2", "step.scheduled", {"seq": 2, "model": "m", **attempt}),
        Event("0-4-2", "attempt.started", {"model": "m", "simulated": True, **attempt}),
        Event("0-5-2", "token", {"index": 0, "text": text[:middle], **attempt}),
        Event("0-6-2", "token", {"index": 1, "text": text[middle:], **attempt}),
        Event(
            "0-7-3", "attempt.completed", {"seq": 3, "output": output, "totals": TOTALS, **attempt}
        ),
        Event(
            "0-8-4",
            "collaboration.completed",
            {"collaboration": "c1", "seq": 4, "step": step, "duration_ms": 1200, "totals": TOTALS},
        ),
    ]


def played(screen, events):
    transcript = Transcript()
    screen.submitted(SUBMITTED)
    for event in events:
        if transcript.apply(event):
            screen.event(event, transcript)
    screen.end(transcript, files=["out/a.py"])


def plain(events):
    out = io.StringIO()
    played(PlainScreen(out), events)
    return out.getvalue()


def live(events, **more):
    console = Console(
        file=io.StringIO(), width=80, height=20, markup=False, emoji=False, highlight=False, **more
    )
    played(LiveScreen(console), events)
    return console.file.getvalue()


def test_plain_lines_tell_who_what_and_the_end():
    text = plain(story())
    assert "--- coder (attempt 1, simulated) ---\nhello\nworld\n" in text
    assert "5 tokens in, 1,234 out, $0.50" in text
    assert text.endswith("id: c1\nfiles: out/a.py\n")
    assert "completed in 1.2 s" in text


@pytest.mark.parametrize(
    ("usage", "cost", "told"),
    [
        ({}, None, "tokens unknown, cost unknown"),
        ({}, "0", "0 tokens in, 0 out, $0.00"),
        ({"input_tokens": 5}, None, "5 tokens in, 0 out, cost unknown"),
        ({"input_tokens": 5, "estimated": True}, "1", "about 5 tokens in, 0 out, $1.00"),
    ],
)
def test_what_nobody_counted_is_not_told_as_zero(usage, cost, told):
    totals = Totals(usage=Usage(**usage), calls=1, cost_usd=None if cost is None else Decimal(cost))
    assert spent(totals) == told


def test_the_result_is_not_told_twice_in_a_row():
    assert plain(story()).count("hello") == 1
    other = [
        Event("0-7-3", "attempt.started", {"step": "b", "agent": "b", "attempt": 1, "model": "m"}),
        *story()[-1:],
    ]
    text = plain([*story()[:-1], *other])
    assert text.count("hello") == 2
    assert "=== result: coder ===" in text


def test_steps_that_write_at_the_same_time_stand_under_their_own_headings():
    events = story()[:4]
    attempt = {"step": "b", "agent": "other", "attempt": 1}
    events += [
        Event(None, "attempt.started", {"model": "m", **attempt}),
        Event(None, "token", {"index": 0, "text": "mine", **attempt}),
        story()[4],
    ]
    text = plain(events)
    assert (
        "hello\n--- other (b, attempt 1) ---\nmine\n--- coder (attempt 1, simulated) ---\n" in text
    )


def test_a_new_attempt_starts_over():
    events = story()[:4]
    attempt = {"step": "coder", "agent": "coder", "attempt": 2}
    fault = {"code": "timeout", "message": "too slow"}
    events += [
        Event(
            None,
            "attempt.failed",
            {"seq": 3, "fault": fault, "totals": {}, **attempt, "attempt": 1, **WAITS},
        ),
        Event(None, "attempt.reset", {"model": "m", "simulated": True, **attempt}),
        Event(None, "token", {"index": 0, "text": "again", **attempt}),
    ]
    text = plain(events)
    assert "failed: too slow (timeout); tries again in 2.5 s" in text
    assert "--- coder (attempt 2, simulated): starts over ---\nagain" in text


def test_what_steers_a_terminal_is_taken_out_of_plain_lines():
    text = plain(story(NASTY))
    assert not set(text) & set("\x1b\x9b\x07\r\u202e")
    assert "[bold]x[/bold] :smile:" in text


def test_model_text_is_no_markup_and_steers_nothing_in_the_live_picture():
    text = live(story(NASTY), force_terminal=False)
    assert not set(text) & set("\x1b\x9b\x07\u202e")
    assert "[bold]x[/bold] :smile:" in text
    drawn = live(story(NASTY), force_terminal=True, color_system="truecolor")
    assert "\x1b[2Jclear" not in drawn
    assert not set(drawn) & set("\x9b\x07\u202e")


def test_the_live_picture_tells_what_is_settled_and_the_end():
    text = live(story(), force_terminal=False)
    assert "coder (attempt 1, simulated)" in text
    assert "completed in 1.2 s" in text
    assert "id: c1" in text


def test_an_unknown_cost_is_not_zero():
    end = story()[-1]
    priceless = {**end.data, "totals": {"usage": {}, "calls": 1}}
    assert "cost unknown" in plain([*story()[:-1], Event(end.id, end.kind, priceless)])


def test_json_lines_are_events_between_submitted_and_summary():
    out = io.StringIO()
    played(JsonScreen(out), story(NASTY))
    assert out.getvalue().isascii()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["kind"] for line in lines] == [
        "submitted",
        *(event.kind for event in story()),
        "summary",
    ]
    assert [line["id"] for line in lines[1:-1]] == [event.id for event in story()]
    assert lines[1]["data"] == story()[0].data
    assert lines[-1]["data"]["result"] == NASTY
    assert lines[-1]["data"]["files"] == ["out/a.py"]


@given(st.text())
def test_harmless_text_holds_no_control_character_but_line_feed_and_tab(text):
    found = harmless(text)
    assert all(ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0 for c in found if c not in "\n\t")
    kept = "".join(c for c in text if c in found)
    assert harmless(found) == found
    assert len(found) <= len(text)
    assert set(found) <= set(kept)


def test_text_with_nothing_to_take_out_is_left_alone():
    text = "naïve 👩‍👩‍👧 日本語\n\tx"
    assert harmless(text) == text


def test_one_line_is_short_and_one_line():
    assert one_line("a\n  b\tc", limit=10) == "a b c"
    assert one_line("x" * 20, limit=10) == "x" * 9 + "…"


def test_the_live_picture_tells_when_the_next_attempt_begins():
    fault = {"code": "rate_limited", "message": "later"}
    failed = {"seq": 3, "fault": fault, "totals": {}, "step": "coder", "agent": "coder"}
    told = live([*story()[:3], Event(None, "attempt.failed", {**failed, "attempt": 1, **WAITS})])
    assert "later (rate_limited); tries again in 2.5 s" in told


def recovered():
    """A model that is overloaded, another one that meets its limit, and what there is then."""
    at = {"step": "coder", "agent": "coder"}
    fault = {"code": "overloaded", "message": "busy"}
    limit = {"code": "length", "message": "the limit"}
    again = {"model": "n", "provider": "q"}
    output = {"size": 7, "text": {"k": None, "v": "one two"}}
    done = {"output": output, "partial": "length", "totals": TOTALS}
    end = {"step": "coder", "partial_steps": ["coder"], "totals": TOTALS}
    events = [
        ("collaboration.accepted", {"collaboration": "c1", "workflow": "w"}),
        ("step.scheduled", at | {"attempt": 1, "model": "m", "provider": "p"}),
        ("attempt.failed", at | {"attempt": 1, "fault": fault, "totals": TOTALS}),
        ("step.scheduled", at | again | {"attempt": 2, "reason": "fallback"}),
        ("attempt.reset", at | {"attempt": 2, "model": "n"}),
        ("token", at | {"attempt": 2, "index": 0, "text": "one "}),
        ("attempt.failed", at | {"attempt": 2, "fault": limit, "totals": TOTALS}),
        ("step.scheduled", at | again | {"attempt": 3, "reason": "continue"}),
        ("attempt.reset", at | {"attempt": 3, "model": "n"}),
        ("token", at | {"attempt": 3, "index": 0, "text": "one two"}),
        ("attempt.completed", at | done | {"attempt": 3}),
        ("step.completed", at | {"attempt": 3, "partial": "length"}),
        ("collaboration.completed", end | {"collaboration": "c1"}),
    ]
    found, seq = [], 0
    for number, (kind, data) in enumerate(events):
        seq += kind not in ("token", "attempt.reset")
        about = data if kind in ("token", "attempt.reset") else data | {"seq": seq}
        found.append(Event(f"0-{number}-{seq}", kind, about))
    return found


def test_plain_lines_tell_each_way_on_and_mark_a_part():
    lines = [line for line in plain(recovered()).splitlines() if line.startswith(("---", "part"))]
    assert lines == [
        "--- coder (attempt 1) failed: busy (overloaded) ---",
        "--- coder (attempt 2) asks q/n instead ---",
        "--- coder (attempt 2): starts over ---",
        "--- coder (attempt 2) failed: the limit (length) ---",
        "--- coder (attempt 3) is asked to go on from there ---",
        "--- coder (attempt 3): goes on ---",
        (
            "--- coder (attempt 3): partial (length), 5 tokens in, 1,234 out, $0.50;"
            " so far 3 calls, 15 tokens in, 3,702 out, $1.50 ---"
        ),
        "partial: coder (length)",
    ]


def test_the_live_picture_tells_them_too():
    text = live(recovered())
    assert "→ coder (attempt 2) asks q/n instead" in text
    assert "→ coder (attempt 3) is asked to go on from there" in text
    assert "◐ coder (attempt 3)  partial (length), 5 tokens in" in text
    assert "partial: coder (length)" in text


def test_the_summary_names_the_parts():
    out = io.StringIO()
    played(JsonScreen(out), recovered())
    assert json.loads(out.getvalue().splitlines()[-1])["data"]["partial_steps"] == ["coder"]
