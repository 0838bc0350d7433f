"""I3, its second half: what was accepted ends by its deadline, or soon after faults were over."""

from collections.abc import Iterator
from typing import Final

from facilitair_testing.history.entries import violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.replaying import Replay
from facilitair_testing.history.types import Violation

GRACE_MS: Final = 30_000
"""How long after its deadline, or after the last fault, an end may come."""


def i03_everything_ends_by_its_deadline(index: Index) -> Iterator[Violation]:
    """Judged where it is known when the last fault was over."""
    healed_ms = index.terms.healed_ms
    if healed_ms is None:
        return
    for key, replay in index.replays.items():
        due_ms, end = _due_ms(replay), index.terminal(key)
        if due_ms is None or end is None:
            continue
        late_ms = end.at_ms - max(due_ms, healed_ms) - index.terms.jumps_ms - GRACE_MS
        if late_ms > 0:
            text = f"it ends {late_ms + GRACE_MS} ms after its deadline"
            yield violation("I3", end, key=key, text=text)


def _due_ms(replay: Replay) -> int | None:
    timers = [timer for held in replay.states.values() for timer in held.state.timers]
    return min((timer.due_ms for timer in timers if timer.name == "deadline"), default=None)
