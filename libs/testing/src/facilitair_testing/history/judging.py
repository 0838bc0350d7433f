"""All rules over one history."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from facilitair_testing.history import sequences
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import History, Terms, Violation

Rule = Callable[[Index], Iterator[Violation]]

RULES: Final[tuple[Rule, ...]] = (
    sequences.r12_sequences_are_dense,
    sequences.r12_copies_are_the_events,
    sequences.i03_everything_accepted_ends_once,
)


def judge(
    history: History,
    *,
    lease_ms: int,
    ended: bool = True,
    repaired: bool = True,
    stop_grace_ms: int = 5_000,
    skew_ms: int = 0,
) -> list[Violation]:
    """What is wrong with a history; nothing for a legal one. The parameters are those of ``Terms``.

    Pure. A history that breaks a rule in a thousand places gives a thousand violations.
    """
    terms = Terms(
        lease_ms=lease_ms, ended=ended, repaired=repaired, stop_grace_ms=stop_grace_ms,
        skew_ms=skew_ms,
    )  # fmt: skip
    return judged(Index(history, terms), RULES)


def judged(index: Index, rules: Iterable[Rule]) -> list[Violation]:
    """What these rules say."""
    return [violation for rule in rules for violation in rule(index)]
