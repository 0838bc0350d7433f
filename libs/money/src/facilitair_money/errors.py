"""What this package raises."""

from collections.abc import Sequence


class MoneyError(Exception):
    """Root of what this package raises."""


class UnknownZoneError(MoneyError, ValueError):
    """A name that no time zone has."""

    def __init__(self, *, name: str, similar: Sequence[str]) -> None:
        self.name = name
        self.similar = tuple(similar)
        hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
        super().__init__(
            f"{name!r} is no time zone{hint or '; use a name such as Europe/Berlin or UTC'}"
        )


class NoEnvelopeError(MoneyError):
    """A collaboration waits for a slot and holds no envelope: the state contradicts itself."""

    def __init__(self, *, collaboration: str) -> None:
        super().__init__(f"{collaboration} waits without an envelope")
