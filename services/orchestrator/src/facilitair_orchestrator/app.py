"""Composition of the orchestrator: the only file that names concrete classes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import CollectorRegistry

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.requests import CollaborationRequested
from facilitair_events.state import CollaborationSnapshot, CollaborationState
from facilitair_events.topics import (
    COLLABORATION_EVENTS,
    COLLABORATION_INBOX,
    COLLABORATION_STATE,
    COLLABORATION_STREAM,
)
from facilitair_events.types import NAMES
from facilitair_messaging.ports import Log
from facilitair_observability.metrics import Metrics
from facilitair_orchestrator.handlers import build_prepare
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_runtime.artifacts import ArtifactStore, DirectoryArtifacts
from facilitair_runtime.keyed_reducer import KeyedReducer, Reducer
from facilitair_runtime.vitals import Vitals
from facilitair_workflows.decide import KNOWN_LOGIC, decide, logic_of, timers

SERVICE: Final = "orchestrator"


class Orchestrator:
    """The keyed reducer of collaborations, as a service."""

    def __init__(self, chassis: KeyedReducer[CollaborationState], *, metrics: Metrics) -> None:
        self._chassis = chassis
        self._metrics = metrics

    @property
    def metrics(self) -> Metrics:
        """What it counts."""
        return self._metrics

    @property
    def vitals(self) -> Vitals:
        """Whether it lives and is ready, and if not, why."""
        return self._chassis.vitals

    def ready(self) -> bool:
        """Whether the states of all its partitions are loaded."""
        return self._chassis.ready()

    def live(self) -> bool:
        """Whether the inbox is polled, and what waits in it is decided."""
        return self._chassis.live()

    async def run(self, stop: asyncio.Event) -> None:
        """Decide until ``stop``; see ``KeyedReducer.run``."""
        await self._chassis.run(stop)


def build_reducer(artifacts: ArtifactStore) -> Reducer[CollaborationState]:
    """The reducer of collaborations over their topics."""
    return Reducer(
        service=SERVICE,
        inbox=COLLABORATION_INBOX,
        state_topic=COLLABORATION_STATE,
        events_topic=COLLABORATION_EVENTS,
        stream_topic=COLLABORATION_STREAM,
        decide=decide,
        snapshot_type=CollaborationSnapshot,
        timers=timers,
        prepare=build_prepare(artifacts),
        known_logic=KNOWN_LOGIC,
        logic_of=logic_of,
        logic_of_state=lambda state: state.logic,
        first_types=frozenset({NAMES[CollaborationRequested]}),
    )


@asynccontextmanager
async def build_app(settings: OrchestratorSettings, log: Log) -> AsyncIterator[Orchestrator]:
    """Build an orchestrator on a log. It holds nothing open until it runs."""
    metrics = Metrics(CollectorRegistry())
    chassis = KeyedReducer(
        build_reducer(DirectoryArtifacts(settings.home / "artifacts")),
        log=log,
        registry=Registry.load(topics_dir()),
        settings=settings.reducer,
        metrics=metrics,
        member=settings.member,
        rejections=settings.rejections.limit(),
        health=settings.health,
    )
    yield Orchestrator(chassis, metrics=metrics)
