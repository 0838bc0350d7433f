"""I4: the events of a collaboration are a path of the published state machine (DESIGN section 4).

queued, then accepted or refused; accepted until one end. A step is scheduled, and each attempt is
closed before the next is scheduled or the step is settled; a group counts its iterations.
While it is paused for want of money nothing is scheduled; nor is it after a refusal that ends it.
Forks and steps for humans have no events yet; who adds them extends this machine.
A request that cannot be read, or on which ``decide`` raises, fails without having been accepted.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from facilitair_events import collaboration as ev
from facilitair_testing.history.entries import violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Violation

OPEN: Final = "open"
_REASONS: Final = {
    "lost": "unknown",
    "retry": "failed",
    "correction": "failed",
    "fallback": "failed",
    "continue": "failed",
    "larger": "failed",
    "funds": "failed",
}
"""How the attempt before must have ended for a next one to have this reason."""

_ANY_REASON: Final = "cheaper"
"""Another model in place of whatever the step waited for."""


class StepLife(Struct):
    """A step so far. ``attempt`` is the last one and ``outcome`` how it stands."""

    attempt: int = 0
    outcome: str = ""
    retry_at: Any = None
    settled: str = ""
    iteration: int = 0


class Life:
    """A collaboration so far."""

    def __init__(self) -> None:
        self.status = "queued"
        self.failing = False
        self.broke = False
        self.steps: dict[str, StepLife] = {}

    def go_on(self, event: ev.PublicEvent) -> str | None:
        """Take in the next event; what is wrong with it, or None."""
        step = getattr(event, "step", None)
        if not isinstance(event, _ENDS) and step is not None:
            fault = self._place_fault(event, step)
            if fault is not None:
                return fault
        return _MOVES[type(event)](self, event)

    def _place_fault(self, event: ev.PublicEvent, path: str) -> str | None:
        paused = self.status == "paused" and not isinstance(event, ev.StepScheduled)
        if self.status != "running" and not paused:
            return f"{path} moves while the collaboration is {self.status}"
        if self.broke and isinstance(event, ev.StepScheduled):
            return f"{path} is scheduled after money was refused for good"
        if self.failing and not isinstance(event, _CLOSING):
            return f"{path} moves after another step has failed"
        parts = path.split(".")
        if len(parts) > 1:
            group = self.steps.get(".".join(parts[:-2]), StepLife())
            if group.settled or str(group.iteration) != parts[-2]:
                return f"{path} moves in iteration {group.iteration} of its group"
        if self.steps.get(path, StepLife()).settled:
            return f"{path} moves after it was settled"
        return None

    def step(self, path: str) -> StepLife:
        """The step at a path."""
        return self.steps.setdefault(path, StepLife())

    def unclosed(self, prefix: str = "") -> list[str]:
        """Steps below a prefix with an open attempt."""
        return [
            path
            for path, step in self.steps.items()
            if path.startswith(prefix) and step.outcome == OPEN
        ]

    def unsettled(self, group: str, iteration: int) -> list[str]:
        """Members of an iteration that are neither completed nor skipped."""
        prefix = f"{group}.{iteration}."
        return [path for path, s in self.steps.items() if path.startswith(prefix) and not s.settled]


def i04_events_are_a_legal_path(index: Index) -> Iterator[Violation]:
    """Every event may follow those before it; only the first that may not is told."""
    for key, events in index.first.items():
        life = Life()
        for entry in events.values():
            fault = life.go_on(entry.data)
            if fault is not None:
                yield violation("I4", entry, key=key, text=f"{entry.kind}: {fault}")
                break


def _accepted(life: Life, _: Any) -> str | None:
    if life.status != "queued":
        return f"the collaboration is {life.status} already"
    life.status = "running"
    return None


def _refused(life: Life, event: Any) -> str | None:
    fault = _accepted(life, event)
    life.status = "refused"
    return fault


def _paused(life: Life, _: Any) -> str | None:
    if life.status != "running":
        return f"the collaboration is {life.status}"
    life.status = "paused"
    return None


def _resumed(life: Life, _: Any) -> str | None:
    if life.status != "paused":
        return f"the collaboration is {life.status}"
    life.status = "running"
    return None


def _budget_reserved(life: Life, _: Any) -> str | None:
    return None if life.status == "running" else f"the collaboration is {life.status}"


def _budget_refused(life: Life, event: ev.BudgetRefused) -> str | None:
    life.broke = life.broke or event.policy == "finish"
    return _budget_reserved(life, event)


def _ended(life: Life, event: Any) -> str | None:
    may_be_queued = isinstance(event, ev.CollaborationFailed)
    if life.status not in {"running", "paused"} and not (may_be_queued and life.status == "queued"):
        return f"the collaboration is {life.status}"
    life.status = "ended"
    if life.unclosed():
        return f"attempts of {', '.join(life.unclosed())} are open (R14)"
    if isinstance(event, ev.CollaborationCompleted) and event.step is not None:
        step = life.steps.get(event.step, StepLife())
        if step.settled != "completed" or step.attempt != event.attempt:
            return f"attempt {event.attempt} of {event.step} is not its step's result"
    return None


def _scheduled(life: Life, event: ev.StepScheduled) -> str | None:
    step = life.step(event.step)
    if step.outcome == OPEN:
        return f"attempt {step.attempt} of {event.step} is open"
    if event.attempt != step.attempt + 1:
        return f"attempt {event.attempt} of {event.step} follows attempt {step.attempt}"
    wanted = _REASONS.get(event.reason, "")
    retried = event.reason == "retry" and step.retry_at is None
    if (step.outcome != wanted or retried) and event.reason != _ANY_REASON:
        return f"attempt {event.attempt} is for {event.reason!r} after {step.outcome or 'nothing'}"
    step.attempt, step.outcome, step.retry_at = event.attempt, OPEN, None
    return None


def _attempt_closed(life: Life, event: Any) -> str | None:
    step = life.step(event.step)
    if step.outcome != OPEN or step.attempt != event.attempt:
        return f"attempt {event.attempt} of {event.step} is not open"
    step.outcome = _OUTCOMES[type(event)]
    step.retry_at = getattr(event, "retry_at", None)
    return None


def _step_completed(life: Life, event: ev.StepCompleted) -> str | None:
    step = life.step(event.step)
    step.settled = "completed"
    if event.agent is None:
        if not step.iteration or event.iterations != step.iteration:
            return f"{event.step} counts {event.iterations} iterations, it had {step.iteration}"
        waiting = life.unsettled(event.step, step.iteration)
        return f"{', '.join(waiting)} did not end" if waiting else None
    if step.outcome != "completed" or step.attempt != event.attempt:
        return f"attempt {event.attempt} of {event.step} was not completed"
    return None


def _step_failed(life: Life, event: ev.StepFailed) -> str | None:
    step = life.step(event.step)
    step.settled = "failed"
    life.failing = True
    return f"attempt {step.attempt} is open" if step.outcome == OPEN else None


def _step_skipped(life: Life, event: ev.StepSkipped) -> str | None:
    step = life.step(event.step)
    step.settled = "skipped"
    return "it has run" if step.attempt or step.iteration else None


def _iteration_started(life: Life, event: ev.StepStarted) -> str | None:
    step = life.step(event.step)
    waiting = life.unsettled(event.step, step.iteration)
    before, step.iteration = step.iteration, event.iteration
    if event.iteration != before + 1:
        return f"iteration {event.iteration} of {event.step} follows {before}"
    return f"{', '.join(waiting)} did not end" if waiting else None


_OUTCOMES: Final[dict[type[ev.PublicEvent], str]] = {
    ev.AttemptCompleted: "completed",
    ev.AttemptFailed: "failed",
    ev.AttemptUnknown: "unknown",
}
_CLOSING: Final = (ev.AttemptCompleted, ev.AttemptFailed, ev.AttemptUnknown, ev.StepFailed)
_ENDS: Final = (
    ev.CollaborationCompleted,
    ev.CollaborationFailed,
    ev.CollaborationCancelled,
    ev.CollaborationExpired,
)
_MOVES: Final[dict[type[ev.PublicEvent], Callable[[Life, Any], str | None]]] = {
    ev.CollaborationAccepted: _accepted,
    ev.CollaborationRefused: _refused,
    **dict.fromkeys(_ENDS, _ended),
    ev.CollaborationPaused: _paused,
    ev.CollaborationResumed: _resumed,
    ev.BudgetReserved: _budget_reserved,
    ev.BudgetRefused: _budget_refused,
    ev.StepScheduled: _scheduled,
    **dict.fromkeys(_OUTCOMES, _attempt_closed),
    ev.StepCompleted: _step_completed,
    ev.StepFailed: _step_failed,
    ev.StepSkipped: _step_skipped,
    ev.StepStarted: _iteration_started,
}
