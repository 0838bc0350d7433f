"""What each topic is: read from ``schemas/topics/*.yaml``, the one place that declares topics."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec import Struct

from facilitair_events import topics as names
from facilitair_events.errors import RegistryError, UnregisteredTopicError
from facilitair_events.topic_files import Declared, Fault, read_topic
from facilitair_events.types import LETTER_ACTIONS

DLQ_SUFFIX: Final = "-dlq"
_DLQ_EDITOR: Final = "gateway"
_DLQ_RETENTION_MS: Final = 29 * 24 * 3600 * 1000
_DLQ_SEGMENT_MS: Final = 24 * 3600 * 1000
_DLQ_EXTRA_BYTES: Final = 64 * 1024
"""A dead letter is its record plus headers that say why; the largest record must still fit."""


class TopicSpec(Struct, frozen=True, kw_only=True):
    """One topic as declared. Durations are in milliseconds; None means for ever or the default.

    ``partition_by``: ``key`` hashes the whole key, ``prefix`` what stands before its first ``|``.
    ``cleanup`` may hold ``delete``, ``compact`` or both; an empty tuple keeps for ever.
    """

    name: str
    description: str
    key: str
    partition_by: Literal["key", "prefix"]
    partitions: int
    cleanup: tuple[Literal["delete", "compact"], ...]
    retention_ms: int | None
    segment_ms: int | None
    min_compaction_lag_ms: int | None
    max_record_bytes: int
    types: tuple[str, ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    dead_letters: bool


class Registry:
    """All topics by name, dead-letter topics included; it never changes once it is made.

    Construct it with ``Registry.load``, or from specs in a test.
    """

    def __init__(self, specs: Mapping[str, TopicSpec]) -> None:
        self._topics: Final = MappingProxyType(dict(specs))

    @classmethod
    def load(cls, directory: Path) -> "Registry":
        """Read every topic file of ``directory``.

        Raises RegistryError with all faults of all files, each as ``file:line: what is wrong``.
        """
        declared: dict[str, Declared] = {}
        faults: list[Fault] = []
        for path in sorted(directory.glob("*.yaml")):
            topic, found = read_topic(path)
            faults.extend(found)
            declared[path.stem] = topic
        faults.extend(_misnamed(directory, set(declared)))
        if faults:
            raise RegistryError(faults=[str(fault) for fault in faults])
        specs = [
            msgspec.convert({"name": name, **topic}, TopicSpec) for name, topic in declared.items()
        ]
        letters = [dead_letter_topic(spec) for spec in specs if spec.dead_letters]
        return cls({spec.name: spec for spec in (*specs, *letters)})

    @property
    def topics(self) -> Mapping[str, TopicSpec]:
        """Every topic by name."""
        return self._topics

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all topics, those of dead letters last."""
        return tuple(self._topics)

    def spec(self, name: str) -> TopicSpec:
        """What ``name`` is declared as. Raises UnregisteredTopicError naming near misses."""
        try:
            return self._topics[name]
        except KeyError:
            near = get_close_matches(name, self._topics)
            raise UnregisteredTopicError(topic=name, near=near) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)

    def __len__(self) -> int:
        return len(self._topics)

    def __contains__(self, name: object) -> bool:
        return name in self._topics


def dead_letter_topic(spec: TopicSpec) -> TopicSpec:
    """The topic that takes what the consumers of ``spec`` could not handle.

    The gateway reads it for administrators, and appends what they did about a letter.
    """
    return TopicSpec(
        name=spec.name + DLQ_SUFFIX,
        description=f"Records of {spec.name} that could not be handled, with the reason.",
        key=spec.key,
        partition_by=spec.partition_by,
        partitions=1,
        cleanup=("delete",),
        retention_ms=_DLQ_RETENTION_MS,
        segment_ms=_DLQ_SEGMENT_MS,
        min_compaction_lag_ms=None,
        max_record_bytes=spec.max_record_bytes + _DLQ_EXTRA_BYTES,
        types=(*spec.types, *LETTER_ACTIONS),
        producers=tuple(dict.fromkeys((*spec.consumers, _DLQ_EDITOR))),
        consumers=(_DLQ_EDITOR,),
        dead_letters=False,
    )


def _misnamed(directory: Path, found: set[str]) -> list[Fault]:
    """Code and files must name the same topics, each one in both."""
    known = set(names.TOPICS)
    extra = [
        Fault(
            file=f"{name}.yaml",
            line=1,
            reason=f"topic {name!r} is not in facilitair_events.topics"
            + _near(name, known - found),
        )
        for name in sorted(found - known)
    ]
    missing = [
        Fault(
            file=f"{name}.yaml",
            line=1,
            reason=f"is missing in {directory}: facilitair_events.topics has {name!r}",
        )
        for name in sorted(known - found)
    ]
    return extra + missing


def _near(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known))
    return f", did you mean {' or '.join(near)}?" if near else ""
