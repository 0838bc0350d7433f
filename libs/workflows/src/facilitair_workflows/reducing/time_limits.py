"""How long attempts wait and how long all of them together may take (since logic 2). Pure."""

from typing import Final

from facilitair_events.definitions import Retry, Step
from facilitair_events.ids import derive
from facilitair_events.requests import Fault
from facilitair_events.state import StepState
from facilitair_workflows.reducing.choices import DEADLINE

LEAST_MS: Final = 1_000
"""A further attempt is not begun when the deadline leaves less than this for it."""

_SCALE: Final = 2**32


def deadline_ms(step: StepState, spec: Step) -> int | None:
    """When all attempts of a step must be over, in log time; None for a step without a deadline.

    A step whose first attempt was not scheduled yet has none either.
    """
    if spec.retry.deadline_s is None or not step.began_ms:
        return None
    return step.began_ms + round(spec.retry.deadline_s * 1000)


def too_late(step: StepState, spec: Step, *, start_ms: int) -> bool:
    """Whether an attempt that starts then would have no time worth a paid call."""
    due_ms = deadline_ms(step, spec)
    return due_ms is not None and start_ms + LEAST_MS > due_ms


def attempt_timeout_s(step: StepState, spec: Step, *, now_ms: int) -> float:
    """The time of an attempt that starts now: the step's own, cut at the deadline of all."""
    due_ms = deadline_ms(step, spec)
    if due_ms is None:
        return spec.timeout_s
    return min(spec.timeout_s, (due_ms - now_ms) / 1000)


def deadline_fault(spec: Step, *, attempts: int, last: Fault | None = None) -> Fault:
    """All attempts together took too long; ``last`` is what was wrong with the latest."""
    count = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    message = f"no answer within the {spec.retry.deadline_s:g} s of the step, after {count}"
    if last is not None:
        message += f"; the last one: {last.message} ({last.code})"
    return Fault(code=DEADLINE, message=message)


def wait_s(retry: Retry, *, failures: int, cause: tuple[str, ...]) -> float:
    """The wait after the n-th failure; ``cause`` names the attempt that its jitter comes from.

    The same attempt waits as long in every replay, and no two attempts wait alike (R6).
    """
    longest = min(retry.backoff_s * retry.factor ** (failures - 1), retry.max_backoff_s)
    share = int(derive("jitter", *cause)[:8], 16) / _SCALE
    return longest * (1 - retry.jitter * share)
