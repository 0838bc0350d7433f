"""Where a collaboration is shown: JSON lines, plain lines, or a live picture."""

import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from facilitair_cli.money_wording import announcement, breakdown, so_far
from facilitair_cli.terminal_text import harmless
from facilitair_cli.wording import end_lines, failure, going_on, heading, partly, spent, summary
from facilitair_client import Event, StepTranscript, Submitted, Transcript


class Screen(Protocol):
    """Shows one collaboration. ``event`` comes after the transcript took it."""

    def submitted(self, submitted: Submitted) -> None:
        """It was asked for."""
        ...

    def event(self, event: Event, transcript: Transcript) -> None:
        """Something happened."""
        ...

    def tick(self, transcript: Transcript) -> None:
        """A moment passed."""
        ...

    def pause(self) -> None:
        """The terminal is needed for something else until the next event or tick."""
        ...

    def end(self, transcript: Transcript, *, files: Sequence[str]) -> None:
        """It is over; ``files`` were written."""
        ...


def note(text: str) -> None:
    """Tell the user something that is not output."""
    sys.stderr.write(f"{harmless(text)}\n")
    sys.stderr.flush()


def json_text(value: Any) -> str:
    """One line of JSON that no terminal can be steered with."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=str)


class JsonScreen:
    """JSON lines ``{id, kind, data}``: submitted, then every event, then a summary."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def submitted(self, submitted: Submitted) -> None:
        data = {"id": submitted.id, "status": submitted.status, "stream": submitted.stream}
        self._line(submitted.cursor, "submitted", data=data)

    def event(self, event: Event, transcript: Transcript) -> None:  # noqa: ARG002 - the port
        self._line(event.id, event.kind, data=event.data)

    def tick(self, transcript: Transcript) -> None:
        pass

    def pause(self) -> None:
        pass

    def end(self, transcript: Transcript, *, files: Sequence[str]) -> None:
        self._line(None, "summary", data=summary(transcript, files=files))

    def _line(self, cursor: str | None, kind: str, *, data: dict[str, Any]) -> None:
        self._out.write(json_text({"id": cursor, "kind": kind, "data": data}) + "\n")
        self._out.flush()


class PlainScreen:
    """Lines without a control character; the text of a step stands under a heading."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._open: str | None = None
        self._last: str | None = None
        self._at_line_start = True

    def submitted(self, submitted: Submitted) -> None:
        self._say(f"collaboration {submitted.id}")

    def event(self, event: Event, transcript: Transcript) -> None:
        told = announcement(event, transcript)
        if told is not None:
            self._say(f"--- {told} ---")
            return
        step = transcript.steps.get(str(event.data.get("step")))
        if step is None:
            return
        if event.kind == "token":
            if event.data["attempt"] == step.attempt:
                self._token(step, event.data["text"])
        elif event.kind in {"attempt.started", "attempt.reset"}:
            again = ": goes on" if step.reason == "continue" else ": starts over"
            self._begin(step, how=again if event.kind == "attempt.reset" else "")
        else:
            self._told(event, step, transcript)

    def tick(self, transcript: Transcript) -> None:
        pass

    def pause(self) -> None:
        self._break()

    def end(self, transcript: Transcript, *, files: Sequence[str]) -> None:
        if transcript.result is not None and self._last != transcript.result_step:
            self._say(f"=== result: {transcript.result_step} ===")
            self._write(transcript.result)
        self._say("=== end ===")
        for line in (*end_lines(transcript), *breakdown(transcript)):
            self._say(line)
        if files:
            self._say(f"files: {', '.join(files)}")

    def _begin(self, step: StepTranscript, *, how: str = "") -> None:
        self._open = self._last = step.path
        self._say(f"--- {heading(step)}{how} ---")

    def _token(self, step: StepTranscript, text: str) -> None:
        if self._open != step.path:
            self._begin(step)
        self._write(text)

    def _told(self, event: Event, step: StepTranscript, transcript: Transcript) -> None:  # noqa: PLR0917 - what, where
        if event.kind == "attempt.completed" and step.totals is not None:
            ending = f"{heading(step)}: {partly(step.partial)}{spent(step.totals)}"
            also = f"; so far {so_far(transcript)}" if len(transcript.spent) > 1 else ""
            self._say(f"--- {ending}{also} ---")
            self._open = None
        elif event.kind in {"attempt.failed", "attempt.unknown"}:
            self._say(f"--- {heading(step)} failed: {failure(step)} ---")
            self._open = None
        elif event.kind == "step.scheduled" and (told := going_on(step)) is not None:
            self._say(f"--- {told} ---")
        elif event.kind == "step.skipped":
            self._say(f"--- {harmless(step.path)}: skipped ---")
        elif event.kind == "step.started":
            self._say(f"--- {harmless(step.path)}: round {step.iteration} ---")

    def _say(self, line: str) -> None:
        self._break()
        self._write(line + "\n")

    def _break(self) -> None:
        if not self._at_line_start:
            self._write("\n")

    def _write(self, text: str) -> None:
        shown = harmless(text)
        if shown:
            self._out.write(shown)
            self._out.flush()
            self._at_line_start = shown.endswith("\n")
