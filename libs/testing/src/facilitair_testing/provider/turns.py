"""Taking turns."""

from typing import TypeVar

T = TypeVar("T")


def in_turns(rows: list[list[T]]) -> list[T]:
    """The first of each row, then the second of each, and so on."""
    longest = max(map(len, rows), default=0)
    return [row[place] for place in range(longest) for row in rows if place < len(row)]
