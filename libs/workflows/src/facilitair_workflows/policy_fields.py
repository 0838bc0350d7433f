"""What a step's file says about trouble: ``on_error`` and ``endings``."""

from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from facilitair_events.definitions import Endings, Retry
from facilitair_workflows.fields import DAY_S, HOUR_S, Fields

MAX_EXTENSIONS: Final = 20

Policy = TypeVar("Policy", Retry, Endings)

_RETRY_KEYS: Final = (
    "max_attempts", "max_lost", "backoff", "factor", "max_backoff", "jitter", "deadline",
)  # fmt: skip


def read_retry(step: Fields) -> Retry:
    """``on_error: {retry: {…}}``; what is not written keeps its default."""
    on_error = step.mapping("on_error")
    if on_error is None:
        return Retry()
    what = f"on_error of {step.what}"
    outer = Fields(on_error, known=("retry",), what=what, findings=step.findings)
    node = outer.mapping("retry", required=True)
    if node is None:
        return Retry()
    what = f"retry of {step.what}"
    fields = Fields(node, known=_RETRY_KEYS, what=what, findings=step.findings)
    return _given(
        Retry(),
        max_attempts=fields.integer("max_attempts", low=1, high=20),
        max_lost=fields.integer("max_lost", low=0, high=100),
        backoff_s=fields.duration_s("backoff", low_s=0, high_s=HOUR_S),
        factor=fields.number("factor", low=1, high=10),
        max_backoff_s=fields.duration_s("max_backoff", low_s=0, high_s=HOUR_S),
        jitter=fields.number("jitter", low=0, high=1),
        deadline_s=fields.duration_s("deadline", low_s=1, high_s=7 * DAY_S),
    )


def read_endings(step: Fields) -> Endings:
    """``endings: {length: continue, …}``; what is not written keeps its default."""
    node = step.mapping("endings")
    if node is None:
        return Endings()
    choices = _choices()
    what = f"endings of {step.what}"
    fields = Fields(node, known=(*choices, "max"), what=what, findings=step.findings)
    return _given(
        Endings(),
        max=fields.integer("max", low=0, high=MAX_EXTENSIONS),
        **{name: fields.word(name, of=words) for name, words in choices.items()},
    )


def _choices() -> dict[str, tuple[str, ...]]:
    """The words that each way to end may be met with."""
    hints = get_type_hints(Endings)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


def _given(defaults: Policy, **written: Any) -> Policy:
    kept = {key: value for key, value in written.items() if value is not None}
    return msgspec.structs.replace(defaults, **kept)
