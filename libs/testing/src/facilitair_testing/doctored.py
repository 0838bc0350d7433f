"""What the tests with doctored histories share: the table, the scene and the verdict."""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from facilitair_events.collaboration import PublicEvent
from facilitair_events.ids import call_id
from facilitair_events.stream import Token
from facilitair_events.topics import COLLABORATION_EVENTS, COLLABORATION_STREAM
from facilitair_testing.doctored_scene import Scene
from facilitair_testing.doctoring import Doctor
from facilitair_testing.history import ClientLine, Frame, Terms, Violation
from facilitair_testing.history.entries import Entry
from facilitair_testing.history.index import Index
from facilitair_testing.history.judging import CHECKS, Check, judged
from facilitair_testing.scripted_run import TENANT, ScriptedRun

Spoil = Callable[[Doctor, Any], None]


class Spoilable(Protocol):
    """A scene of a legal run."""

    @property
    def run(self) -> ScriptedRun:
        """The run."""
        ...


class Doctored:
    """Named ways to spoil the history of a scene, each with the one rule that it breaks."""

    def __init__(self, scene: Callable[[], Spoilable] | None = None) -> None:
        self._scene = scene or the_scene
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
            scene = self._scene()
            doctor = Doctor(scene.run.history())
            self.ways[name][1](doctor, scene)
            terms = Terms(lease_ms=scene.run.lease_ms, healed_ms=0)
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


the_scene = scene


def event(doctor: Doctor, kind: type[PublicEvent], ident: str, **wanted: object) -> Entry:  # noqa: PLR0917 - what, then of whom
    """An event of a collaboration."""
    return doctor.find(COLLABORATION_EVENTS, kind, collaboration=ident, **wanted)


def chunks(doctor: Doctor, step: str, *, attempt: int) -> list[Entry]:
    """The chunks of an attempt, of whatever collaboration has such a step."""
    return doctor.all(COLLABORATION_STREAM, Token, step=step, attempt=attempt)


def later(entry: Entry, ms: int) -> dict[str, int]:
    """The append time of a record that came so much later."""
    return {"timestamp_ms": entry.at_ms + ms}


def the_call(ident: str, path: str, attempt: int, index: int = 0) -> str:  # noqa: PLR0917 - the order of R17
    """The id of a call of the scene."""
    return call_id(TENANT, ident, path, attempt, index)


def line(**fields: object) -> ClientLine:
    """A line of the clients' journal: a submit that was accepted, but for ``fields``."""
    known = {
        "at_ms": 1, "client": "c", "op": "submit", "type": "ok", "id": "x", "tenant": TENANT,
        "status": 202,
    }  # fmt: skip
    return msgspec.convert(known | fields, ClientLine)


def change_frames(  # noqa: PLR0917 - whose frames, and how
    doctor: Doctor, ident: str, change: Callable[[list[Frame]], list[Frame]], *, part: int = 1
) -> None:
    """Change what the viewer of a collaboration was shown over one of its two connections."""
    name = f"viewer-{ident}-{part}"
    doctor.change_client(
        lambda line: line.id == name and line.type == "ok",
        lambda line: replace(line, frames=tuple(change(list(line.frames)))),
    )
