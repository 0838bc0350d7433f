"""The live picture: a line for each finished step, a tail of the text of each running one."""

import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.rule import Rule
from rich.text import Text

from facilitair_cli.money_wording import announcement, breakdown, so_far
from facilitair_cli.terminal_text import harmless
from facilitair_cli.wording import (
    end_lines,
    estimated_tokens,
    failure,
    going_on,
    heading,
    partly,
    seconds,
    spent,
)
from facilitair_client import Event, StepTranscript, Submitted, Transcript

_REFRESH_S: Final = 0.08
_TAIL_CHARS: Final = 4000
_FEWEST_LINES: Final = 3
_OTHER_LINES: Final = 6
_TALL: Final = 30
"""From so many lines on there is room for what each agent and model used."""

_MARKS: Final = {"completed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("-", "dim")}


class LiveScreen:
    """Draws on a terminal. Text of models is never read as markup."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._drawn_at = 0.0
        self._told: set[tuple[str, int, str]] = set()
        self._started_at = time.monotonic()

    def submitted(self, submitted: Submitted) -> None:
        self._print(Text(f"collaboration {submitted.id}", style="dim"))

    def event(self, event: Event, transcript: Transcript) -> None:
        told = announcement(event, transcript)
        if told is not None:
            mark = ("·", "dim") if event.kind == "budget.reserved" else ("!", "yellow")
            self._print(_line(*mark, text=told))
        step = transcript.steps.get(str(event.data.get("step")))
        if (
            told is None
            and step is not None
            and not event.kind.startswith(("token", "attempt.started"))
        ):
            self._tell(event.kind, step)
        self.tick(transcript)

    def tick(self, transcript: Transcript) -> None:
        now = time.monotonic()
        if now - self._drawn_at < _REFRESH_S:
            return
        self._drawn_at = now
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._picture(transcript), refresh=True)

    def pause(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def end(self, transcript: Transcript, *, files: Sequence[str]) -> None:
        self.pause()
        if transcript.result is not None:
            self._console.print(Rule(harmless(f"result of {transcript.result_step}")))
            self._console.print(Text(harmless(transcript.result)))
        self._console.print(Rule(style="green" if transcript.status == "completed" else "red"))
        for line in (*end_lines(transcript), *breakdown(transcript)):
            self._console.print(Text(line))
        if files:
            self._console.print(Text(harmless(f"files: {', '.join(files)}")))

    def _tell(self, kind: str, step: StepTranscript) -> None:
        """Print what is settled above the picture, each thing once."""
        line: Text | None = None
        if kind == "attempt.completed":
            mark = ("✓", "green") if step.partial is None else ("◐", "yellow")
            line = _line(*mark, text=heading(step))
            told = partly(step.partial) + (spent(step.totals) if step.totals else "")
            line.append(f"  {told}", style="dim")
        elif kind in {"attempt.failed", "attempt.unknown"}:
            line = _line("✗", "red", text=f"{heading(step)}  {failure(step)}")
        elif kind == "step.scheduled" and (why := going_on(step)) is not None:
            line = _line("→", "yellow", text=why)
        elif kind == "step.skipped":
            line = _line("-", "dim", text=harmless(f"{step.path} skipped"))
        elif kind == "step.started":
            line = _line("↻", "cyan", text=harmless(f"{step.path} round {step.iteration}"))
        once = (step.path, step.attempt or step.iteration, kind)
        if line is not None and once not in self._told:
            self._told.add(once)
            self._print(line)

    def _print(self, line: Text) -> None:
        (self._live.console if self._live is not None else self._console).print(line)

    def _picture(self, transcript: Transcript) -> Group:
        running = [
            step
            for step in transcript.steps.values()
            if step.agent and step.status in ("scheduled", "running", "retrying")
        ]
        tall = self._console.height >= _TALL
        used = [Text(line, "dim") for line in breakdown(transcript)] if tall else []
        room = max(self._console.height - _OTHER_LINES - len(used), _FEWEST_LINES)
        lines = max(_FEWEST_LINES, room // max(len(running), 1) - 1)
        shown: list[Text] = []
        for step in running[: max(1, room // (_FEWEST_LINES + 1))]:
            shown += self._running(step, lines=lines)
        elapsed = seconds(round((time.monotonic() - self._started_at) * 1000))
        spent_yet = so_far(transcript)
        word = f" · {spent_yet}" if spent_yet else " · simulated" if transcript.simulated else ""
        footer = Text(f"{transcript.status} · {elapsed}{word} · Ctrl-C to cancel or detach", "dim")
        return Group(*shown, *used, footer)

    def _running(self, step: StepTranscript, *, lines: int) -> list[Text]:
        text = harmless("".join(step.written)[-_TAIL_CHARS:])
        length = sum(map(len, step.written))
        head = _line("●", "cyan", text=heading(step))
        state = step.status if not length else estimated_tokens(length)
        head.append(f"  {state}", style="dim")
        width = max(self._console.width - 4, 20)
        tail = Text(text).wrap(self._console, width)[-lines:] if text else []
        return [head, *(Text.assemble("  ", line) for line in tail)]


def _line(mark: str, style: str, *, text: str) -> Text:
    return Text.assemble((f"{mark} ", style), text)
