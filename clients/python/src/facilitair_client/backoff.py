"""How long to wait before trying again, and when to give up. Pure."""

from typing import Final

from msgspec import Struct

_LEAST_SHARE: Final = 0.5


class Patience(Struct, frozen=True, kw_only=True):
    """``give_up_after_s`` counts from the last sign of life; waits double up to ``longest_s``."""

    give_up_after_s: float = 60.0
    first_s: float = 0.1
    longest_s: float = 5.0


def wait_s(
    patience: Patience, *, failures: int, share: float, asked_s: float | None = None
) -> float:
    """Seconds to wait after ``failures`` failures in a row (from 1).

    ``share`` from 0 to 1 is the chance: from half the full wait up to all of it.
    ``asked_s`` is what the server asked for: never less than that.
    """
    full = min(patience.first_s * 2.0 ** min(failures - 1, 30), patience.longest_s)
    spread = _LEAST_SHARE + (1 - _LEAST_SHARE) * share
    return full * spread if asked_s is None else max(full, asked_s) + full * (spread - 0.5)
