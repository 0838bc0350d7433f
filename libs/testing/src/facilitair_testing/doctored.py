"""What the tests with doctored histories share: the table, the scene and the verdict."""

from collections.abc import Callable
from functools import cache

from facilitair_events.collaboration import PublicEvent
from facilitair_events.stream import Token
from facilitair_events.topics import COLLABORATION_EVENTS, COLLABORATION_STREAM
from facilitair_testing.doctored_scene import Scene
from facilitair_testing.doctoring import Doctor
from facilitair_testing.history import Terms, Violation
from facilitair_testing.history.entries import Entry
from facilitair_testing.history.index import Index
from facilitair_testing.history.judging import CHECKS, Check, judged

Spoil = Callable[[Doctor, Scene], None]


class Doctored:
    """Named ways to spoil a history, each with the one rule that it breaks."""

    def __init__(self) -> None:
        self.ways: dict[str, tuple[str, Spoil]] = {}
        self._indexes: dict[str, Index] = {}

    def breaks(self, rule: str) -> Callable[[Spoil], Spoil]:
        """Put the decorated function into the table under its name."""

        def note(spoil: Spoil) -> Spoil:
            self.ways[spoil.__name__] = (rule, spoil)
            return spoil

        return note

    def spoilt(self, name: str) -> Index:
        """The scene after it was spoilt, decoded once for all checks."""
        if name not in self._indexes:
            doctor = Doctor(scene().run.history())
            self.ways[name][1](doctor, scene())
            terms = Terms(lease_ms=scene().run.lease_ms, healed_ms=0)
            self._indexes[name] = Index(doctor.history(), terms)
        return self._indexes[name]

    def accused(self, name: str) -> list[Violation]:
        """What the checker says of it then."""
        return judged(self.spoilt(name), CHECKS)

    def told_by(self, check: Check) -> list[str]:
        """The ways to which one check alone says the rule that they break."""
        return [
            name
            for name, (rule, _) in self.ways.items()
            if any(v.rule == rule for v in check.rule(self.spoilt(name)))
        ]


@cache
def scene() -> Scene:
    """The one legal run that all of them spoil; nobody changes it."""
    return Scene()


def event(doctor: Doctor, kind: type[PublicEvent], ident: str, **wanted: object) -> Entry:  # noqa: PLR0917 - what, then of whom
    """An event of a collaboration."""
    return doctor.find(COLLABORATION_EVENTS, kind, collaboration=ident, **wanted)


def chunks(doctor: Doctor, step: str, *, attempt: int) -> list[Entry]:
    """The chunks of an attempt, of whatever collaboration has such a step."""
    return doctor.all(COLLABORATION_STREAM, Token, step=step, attempt=attempt)


def later(entry: Entry, ms: int) -> dict[str, int]:
    """The append time of a record that came so much later."""
    return {"timestamp_ms": entry.at_ms + ms}
