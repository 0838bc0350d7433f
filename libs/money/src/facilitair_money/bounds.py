"""How much one account holds, so that its snapshot always fits a record (R8)."""

from typing import Final

_MIB: Final = 1024 * 1024

STATE_LIMIT_BYTES: Final = 15 * _MIB
"""Of an encoded state; the topic takes 16 MiB."""

FRAME_BYTES: Final = 128 * 1024
"""The most that a budget and the single fields of a state take; see ``faults_of``."""

OPENING_BYTES: Final = 9 * _MIB
"""Up to this weight collaborations may open an envelope."""

GROWING_BYTES: Final = 12 * _MIB
"""Up to this weight open ones may ask for more. What is left is for calls that were made."""

OPEN_ENVELOPES: Final = 20_000
CLOSED_ENVELOPES: Final = 4_096
"""Kept for repeats."""

PARTS: Final = 8
"""Of one request; further ones are not granted."""

UNKNOWN_CALLS: Final = 10_000
RECONCILED_CALLS: Final = 4_096
CORRECTIONS: Final = 1_000
"""Of one request: each is an event."""

USAGE_CELLS: Final = 2_000
COUNTERS: Final = 12_000
CLIENTS: Final = 1_000

PUMPED: Final = 64
"""Who waits for a slot and is answered by one record; the next record answers more."""

VIEWED_CALLS: Final = 100
VIEWED_NAMES: Final = 20
"""Of a limit that stands for each of them: those with the least left."""

VIEWED_LIMITS: Final = 400

LIMITS: Final = 200
OFFSETS: Final = 200
NAME_LENGTH: Final = 128

VIEWED_BYTES: Final = 512 * 1024
"""Of usage and limits in one answer, which is one record."""
