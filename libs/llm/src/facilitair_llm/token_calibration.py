"""What the usage that providers report says of our own counts. Pure: the caller keeps the state."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

_PRIOR_TOKENS = 2000
"""A factor is learnt from many calls: so much text is taken to have been counted rightly before."""
_SMALLEST, _LARGEST = 0.5, 2.5
_RECENT = 0.2
"""The weight of the newest call in the error."""
_ENOUGH = 3
"""Calls before the error is that of the calls, and no longer that of the family."""
MOST_MODELS = 256
"""What is remembered; names of models come from users. The one that was first seen goes."""


class Learnt(Struct, frozen=True, kw_only=True):
    """What calls of one model said; `error` is how far off a count was lately, relative."""

    calls: int = 0
    counted: int = 0
    reported: int = 0
    error: float = 0.0

    @property
    def factor(self) -> float:
        """How many tokens the provider counts for one of ours."""
        raw = (self.reported + _PRIOR_TOKENS) / (self.counted + _PRIOR_TOKENS)
        return min(max(raw, _SMALLEST), _LARGEST)

    @property
    def is_enough(self) -> bool:
        """Whether `error` says something."""
        return self.calls >= _ENOUGH


class Calibration(Struct, frozen=True):
    """What was learnt of each model, by `provider/name`."""

    by_model: Mapping[str, Learnt] = {}

    def of(self, model: str) -> Learnt:
        """Return what was learnt of a model; nothing changes a count that nobody has seen."""
        return self.by_model.get(model, Learnt())


def learn(calibration: Calibration, model: str, *, counted: int, reported: int) -> Calibration:
    """Return a calibration that knows one more call.

    `counted` is our count before it was calibrated, `reported` the provider's.
    A call without tokens teaches nothing.
    """
    if counted <= 0 or reported <= 0:
        return calibration
    before = calibration.of(model)
    missed = abs(counted * before.factor - reported) / reported
    weight = _RECENT if before.calls else 1.0
    after = msgspec.structs.replace(
        before,
        calls=before.calls + 1,
        counted=before.counted + counted,
        reported=before.reported + reported,
        error=before.error + weight * (missed - before.error),
    )
    known = {**calibration.by_model, model: after}
    if len(known) > MOST_MODELS:
        del known[next(iter(known))]
    return Calibration(known)
