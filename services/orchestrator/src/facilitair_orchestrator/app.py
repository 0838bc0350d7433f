"""Composition of the orchestrator: the only file that names concrete classes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

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
from facilitair_orchestrator.handlers import build_prepare
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_runtime.artifacts import ArtifactStore, DirectoryArtifacts
from facilitair_runtime.keyed_reducer import KeyedReducer, Reducer
from facilitair_runtime.reducer_service import build_chassis
from facilitair_workflows.decide import KNOWN_LOGIC, decide, logic_of, timers

SERVICE: Final = "orchestrator"

Orchestrator = KeyedReducer[CollaborationState]


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
    yield build_chassis(
        build_reducer(DirectoryArtifacts(settings.home / "artifacts")), settings, log=log
    )
