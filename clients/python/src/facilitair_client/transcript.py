"""A collaboration as its events tell it: a pure fold, the same for live and replayed ones."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, Self, TypeVar

import msgspec

from facilitair_client.events import ANNOUNCEMENTS, TOKEN, Event
from facilitair_client.results import Fault, PersonalText, Refusal, Text, Totals
from facilitair_client.seen import Seen
from facilitair_client.spending import Spent, spent_of, sum_of

T = TypeVar("T")


class StepTranscript:
    """One step path. ``attempt`` is the latest; ``written`` are its chunks so far.

    ``status`` is one of scheduled, running, completed, failed, skipped, retrying, stopped.
    ``retry_in_s`` is how long a failed attempt waits for the next one; null where none waits.
    ``reason`` is why the latest attempt is made: first, retry, fallback, continue, larger,
    correction or lost.
    ``partial`` is the code of what left the step's answer unfinished; null for a whole one.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.agent: str | None = None
        self.attempt = 0
        self.status = "scheduled"
        self.reason: str | None = None
        self.model: str | None = None
        self.provider: str | None = None
        self.partial: str | None = None
        self.simulated = False
        self.iteration = 0
        self.totals: Totals | None = None
        self.output: Text | None = None
        self.fault: Fault | None = None
        self.retry_in_s: float | None = None
        self.written: list[str] = []

    @property
    def name(self) -> str:
        """The id of the step, without groups and iterations."""
        return self.path.rpartition(".")[2]

    @property
    def text(self) -> str:
        """The latest attempt's text: as its result says, else what was written of it."""
        inline = self.output.inline if self.output is not None else None
        return "".join(self.written) if inline is None else inline

    @property
    def whole(self) -> bool:
        """Whether ``text`` is all of the result; a late viewer may lack chunks of a long one."""
        return self.output is None or len(self.text.encode()) == self.output.size

    def begin(self, attempt: int) -> None:
        """Forget what older attempts wrote."""
        if attempt > self.attempt:
            self.attempt = attempt
            self.written = []
            self.output = None
            self.fault = None
            self.retry_in_s = None
            self.totals = None
            self.partial = None


class Transcript:
    """Fold of the events of one collaboration; repeats change nothing.

    ``status`` is queued until it was accepted, then running (or paused), then the kind of its end.
    ``spent`` is what each attempt used so far, in the order in which they ended; ``totals`` are
    told at the end, and ``running_totals`` until then.
    ``refusal`` is why money was refused at last, ``refusal_policy`` what follows.
    """

    def __init__(self) -> None:
        self.collaboration: str | None = None
        self.status = "queued"
        self.workflow: str | None = None
        self.task: str | None = None
        self.steps: dict[str, StepTranscript] = {}
        self.totals: Totals | None = None
        self.duration_ms: int | None = None
        self.faults: tuple[Fault, ...] = ()
        self.failed_step: str | None = None
        self.result_step: str | None = None
        self.partial_steps: tuple[str, ...] = ()
        self.reason: str | None = None
        self.spent: dict[tuple[str, int], Spent] = {}
        self.refusal: Refusal | None = None
        self.refusal_policy: str | None = None
        self._seen = Seen()

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """The transcript of all these."""
        transcript = cls()
        for event in events:
            transcript.apply(event)
        return transcript

    @property
    def ended(self) -> bool:
        """Whether the terminal event is in it."""
        return self.status not in ("queued", "running", "paused")

    @property
    def result(self) -> str | None:
        """The text of the step whose output is the result; null before the end or without one."""
        step = self.steps.get(self.result_step) if self.result_step else None
        return step.text if step is not None else None

    @property
    def simulated(self) -> bool:
        """Whether any of it was answered by the simulator."""
        told = self.totals is not None and self.totals.simulated
        return told or any(step.simulated for step in self.steps.values())

    @property
    def running_totals(self) -> Totals:
        """What was used so far; the end's own totals once it has come."""
        return self.totals or sum_of(spent.totals for spent in self.spent.values())

    def spent_by(self, what: Literal["agent", "model", "step"]) -> dict[str, Totals]:
        """What was used so far by each agent, model or step path."""
        groups: dict[str, list[Totals]] = {}
        for spent in self.spent.values():
            groups.setdefault(getattr(spent, what), []).append(spent.totals)
        return {name: sum_of(totals) for name, totals in groups.items()}

    def latest(self, name: str) -> StepTranscript | None:
        """The step with this path, else the latest one with this id that has a text."""
        if name in self.steps:
            return self.steps[name]
        named = [step for step in self.steps.values() if step.name == name and step.agent]
        told = [step for step in named if step.text]
        return (told or named)[-1] if named else None

    def apply(self, event: Event) -> bool:
        """Take the next event; false when it was a repeat."""
        if not self._seen.admit(event):
            return False
        about, _, what = event.kind.partition(".")
        if about == "collaboration":
            self._collaboration(what, event.data, terminal=event.terminal)
        elif event.kind == TOKEN:
            _written(self._step(event.data), event.data)
        elif event.kind in ANNOUNCEMENTS:
            _announced(self._step(event.data), event.data)
        elif about == "attempt":
            _attempt_ended(self._step(event.data), what, data=event.data)
            spent = spent_of(self._step(event.data), what, data=event.data)
            self.spent[spent.step, event.data["attempt"]] = spent
        elif event.kind == "budget.refused":
            self.refusal = _as(event.data.get("refusal"), Refusal)
            self.refusal_policy = event.data.get("policy")
        elif about == "step":
            _step_changed(self._step(event.data), what, data=event.data)
        return True

    def _collaboration(self, what: str, data: dict[str, Any], *, terminal: bool) -> None:
        self.collaboration = data.get("collaboration", self.collaboration)
        if what == "accepted":
            self.status = "running"
            self.workflow = data.get("workflow")
            task = _as(data.get("task"), Text)
            self.task = task.inline if task else None
        elif what in {"paused", "resumed"}:
            self.status = "paused" if what == "paused" else "running"
            fault = _as(data.get("fault"), Fault)
            self.faults = (fault,) if fault else ()
        if not terminal:
            return
        self.status = what
        self.totals = _as(data.get("totals"), Totals)
        self.duration_ms = data.get("duration_ms")
        fault = _as(data.get("fault"), Fault)
        refused = _as(data.get("faults"), tuple[Fault, ...]) or ()
        self.faults = (fault,) if fault else refused
        if what == "completed":
            self.result_step = data.get("step")
            self.partial_steps = tuple(data.get("partial_steps", ()))
        else:
            self.failed_step = data.get("step")
        reason = _as(data.get("reason"), PersonalText)
        self.reason = reason.v if reason and reason.k is None else None
        for step in self.steps.values():
            if step.status in ("scheduled", "running", "retrying"):
                step.status = "stopped"

    def _step(self, data: dict[str, Any]) -> StepTranscript:
        path = str(data["step"])
        return self.steps.setdefault(path, StepTranscript(path))


def _written(step: StepTranscript, data: dict[str, Any]) -> None:
    if data["attempt"] < step.attempt:
        return
    step.begin(data["attempt"])
    step.agent = data["agent"]
    step.status = "running"
    step.written.append(data["text"])


def _announced(step: StepTranscript, data: dict[str, Any]) -> None:
    step.begin(data["attempt"])
    step.agent = data["agent"]
    step.model = data.get("model")
    step.simulated = bool(data.get("simulated"))
    step.status = "running"


def _attempt_ended(step: StepTranscript, what: str, *, data: dict[str, Any]) -> None:
    if data["attempt"] < step.attempt:
        return
    step.begin(data["attempt"])
    step.agent = data.get("agent") or step.agent
    step.totals = _as(data.get("totals"), Totals)
    step.simulated = step.simulated or bool(step.totals and step.totals.simulated)
    if what == "completed":
        step.output = _as(data.get("output"), Text)
        step.model = data.get("model") or step.model
        step.partial = data.get("partial")
        step.status = "completed"
    elif what == "failed":
        step.fault = _as(data.get("fault"), Fault)
        retry_at = _as(data.get("retry_at"), datetime)
        step.status = "retrying" if retry_at else "failed"
        if retry_at:
            wait = retry_at - msgspec.convert(data["at"], datetime, strict=False)
            step.retry_in_s = wait.total_seconds()
    else:
        step.status = "retrying"


def _step_changed(step: StepTranscript, what: str, *, data: dict[str, Any]) -> None:
    step.agent = data.get("agent") or step.agent
    if what == "scheduled":
        step.begin(data["attempt"])
        step.model = data.get("model")
        step.provider = data.get("provider")
        step.reason = data.get("reason", "first")
        step.status = "scheduled"
    elif what == "started":
        step.iteration = data.get("iteration", 0)
        step.status = "running"
    elif what == "completed":
        step.status = "completed"
        step.iteration = data.get("iterations") or step.iteration
    elif what == "failed":
        step.fault = _as(data.get("fault"), Fault) or step.fault
        step.status = "failed"
    elif what == "skipped":
        step.status = "skipped"


def _as(value: Any, wanted: type[T]) -> T | None:
    return None if value is None else msgspec.convert(value, wanted, strict=False)
