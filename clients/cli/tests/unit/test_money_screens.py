"""Money on the screens of ``run`` and ``watch``, while it is spent."""

import io

from rich.console import Console

from clients.cli.tests.scripted_server import ID, TOTALS
from facilitair_cli.live_screen import LiveScreen
from facilitair_cli.screens import PlainScreen
from facilitair_client import Event, Transcript

REFUSAL = {"code": "limit_reached", "message": "nothing is left", "scope": "tenant"}


def ended(step, *, cost):
    attempt = {"step": step, "agent": step, "attempt": 1, "model": "m"}
    return "attempt.completed", attempt | {"totals": TOTALS | {"cost_usd": cost}}


STORY = [
    ("collaboration.accepted", {"workflow": "code"}),
    ("budget.reserved", {"usd": "0.5", "calls": 2, "slots": 1}),
    ended("coder", cost="0.25"),
    ended("tester", cost="0.50"),
    ("budget.refused", {"refusal": REFUSAL, "policy": "pause"}),
    ("collaboration.paused", {"fault": {"code": "budget_exceeded", "message": "nothing is left"}}),
]


def events():
    return [
        Event(None, kind, {"collaboration": ID, "seq": seq, **data})
        for seq, (kind, data) in enumerate(STORY, 1)
    ]


def drawn(*, height):
    """A live picture of the whole story: its first one, which is always drawn."""
    console = Console(
        file=io.StringIO(), width=120, height=height, markup=False, emoji=False, highlight=False,
        force_terminal=True, color_system=None,
    )  # fmt: skip
    screen = LiveScreen(console)
    screen.tick(Transcript.of(events()))
    screen.pause()
    return console.file.getvalue()


def test_the_live_picture_has_the_sum_and_with_room_each_agent_and_model() -> None:
    tall = drawn(height=40)
    assert "paused · " in tall
    assert "2 calls, 10 tokens in, 14 out, $0.75" in tall
    assert "agent coder: 1 call, 5 tokens in, 7 out, $0.25" in tall
    assert "agent tester: 1 call, 5 tokens in, 7 out, $0.50" in tall
    small = drawn(height=20)
    assert "$0.75" in small
    assert "agent coder" not in small


def test_plain_lines_tell_money_as_it_goes() -> None:
    out, transcript = io.StringIO(), Transcript()
    screen = PlainScreen(out)
    for event in events():
        transcript.apply(event)
        screen.event(event, transcript)
    lines = out.getvalue().splitlines()
    assert lines[0] == "--- reserved $0.50 for 2 calls, 1 at once ---"
    assert lines[1].endswith("$0.25 ---")
    assert lines[2].endswith("$0.50; so far 2 calls, 10 tokens in, 14 out, $0.75 ---")
    assert lines[3].startswith("--- money refused: nothing is left; what to do: ")
    assert lines[4].startswith("--- paused: nothing is left (budget_exceeded). Go on: ")


def test_the_live_screen_tells_refusals_and_pauses_once() -> None:
    console = Console(file=io.StringIO(), width=400, height=20, markup=False, highlight=False)
    screen, transcript = LiveScreen(console), Transcript()
    for event in events():
        transcript.apply(event)
        screen.event(event, transcript)
    screen.pause()
    text = console.file.getvalue()
    assert text.count("! money refused") == 1
    assert text.count("! paused") == 1
    assert text.count("· reserved $0.50") == 1
