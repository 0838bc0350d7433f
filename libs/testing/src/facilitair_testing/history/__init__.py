"""The history checker: reads what a run left behind and judges it by the rules of the protocol."""

from facilitair_testing.history.judging import judge
from facilitair_testing.history.reading import read_history
from facilitair_testing.history.types import (
    ClientLine,
    Frame,
    History,
    ProviderLine,
    Terms,
    Violation,
)

__all__ = [
    "ClientLine",
    "Frame",
    "History",
    "ProviderLine",
    "Terms",
    "Violation",
    "judge",
    "read_history",
]
