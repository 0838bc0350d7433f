"""Faults of records: what could not be read, and where."""


class EventsError(Exception):
    """Root of what this package raises."""


class UnknownTypeError(EventsError):
    """A record names a type that this version does not know."""

    def __init__(self, *, type_name: str) -> None:
        self.type_name = type_name
        super().__init__(f"unknown event type {type_name!r}")


class DecodeError(EventsError):
    """A value is not what its type says. ``reason`` names the field, e.g. ``$.attempt``."""

    def __init__(self, *, type_name: str, reason: str) -> None:
        self.type_name = type_name
        self.reason = reason
        super().__init__(f"{type_name}: {reason}")


class HeaderError(EventsError):
    """A record lacks a header or has one that cannot be read."""

    def __init__(self, *, header: str, reason: str) -> None:
        self.header = header
        super().__init__(f"header {header!r} {reason}")


class RegistryError(EventsError):
    """The topic files are wrong. ``faults`` lists all of them, each with its file."""

    def __init__(self, *, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(["the topic registry cannot be used:", *faults]))
