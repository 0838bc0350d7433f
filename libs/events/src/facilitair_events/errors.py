"""Faults of records: what could not be read, and where."""


class EventsError(Exception):
    """Root of what this package raises."""


class UnknownTypeError(EventsError):
    """A record names a type that this version does not know."""

    def __init__(self, *, type_name: str) -> None:
        self.type_name = type_name
        super().__init__(f"unknown event type {type_name!r}")


class EncodeError(EventsError):
    """A value cannot be written so that a reader gets it back. ``reason`` names the field."""

    def __init__(self, *, type_name: str, reason: str) -> None:
        self.type_name = type_name
        self.reason = reason
        super().__init__(f"{type_name}: {reason}")


class AmountError(EventsError, ValueError):
    """An amount of money that nobody means; a ValueError so that decoding tells its field."""

    def __init__(self, *, field: str) -> None:
        self.field = field
        super().__init__(f"`{field}` is not an amount of USD from 0 to 10^12")


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


class KeyFormatError(EventsError):
    """A record key, or a name that should become part of one, is not of the agreed form."""

    def __init__(self, *, part: str, value: str, expected: str) -> None:
        self.part = part
        self.value = value
        super().__init__(f"{part} {value!r} is not {expected}")


class LayoutError(EventsError):
    """The files that this package reads are not where they belong."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


class YamlError(EventsError):
    """A YAML text cannot be read. ``line`` counts from 1."""

    def __init__(self, *, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


class RegistryError(EventsError):
    """The topic files are wrong. ``faults`` lists all of them, each with its file."""

    def __init__(self, *, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(["the topic registry cannot be used:", *faults]))


class UnregisteredTopicError(RegistryError):
    """A topic that no file declares; ``near`` are the declared names that look like it."""

    def __init__(self, *, topic: str, near: list[str]) -> None:
        self.topic = topic
        self.near = near
        hint = f", did you mean {' or '.join(near)}?" if near else ""
        super().__init__(faults=[f"no topic {topic!r} is declared{hint}"])
