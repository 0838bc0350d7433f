"""Vitals for apps of tests: healthy, or as the test says."""

from collections.abc import Callable, Mapping

from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.liveness import Beat, Limits, Place
from facilitair_runtime.vitals import Check, Vitals
from facilitair_runtime.writable import Writable


def vitals(
    *,
    ready: Callable[[], bool] = lambda: True,
    beats: Callable[[], tuple[Beat, ...]] = tuple,
    places: Mapping[TopicPartition, Place] | None = None,
    limits: Limits | None = None,
    look_s: float = 60.0,
) -> Vitals:
    """Vitals of which every part can be given; ``places`` may change while they are used."""

    async def found() -> Mapping[TopicPartition, Place]:
        return dict(places or {})

    return Vitals(
        limits=limits or Limits(),
        look_s=look_s,
        beats=beats,
        checks=(Check(condition="working", holds=ready, detail="it does not work yet"),),
        places=found,
        writable=Writable(),
    )
