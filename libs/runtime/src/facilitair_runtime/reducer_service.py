"""A service that is one keyed reducer and nothing else: its settings, and how it is built."""

from prometheus_client import CollectorRegistry
from pydantic import ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.ports import Log
from facilitair_observability.metrics import Metrics
from facilitair_runtime.errors import PollsTooRareError
from facilitair_runtime.keyed_reducer import KeyedReducer, Reducer
from facilitair_runtime.reducing.config import S
from facilitair_runtime.settings import (
    HealthGroup,
    Home,
    ProcessGroup,
    ReducerGroup,
    RejectionsGroup,
)


class ReducerSettings(BaseSettings):
    """What one process of such a service is told. None of it changes what is decided.

    A service adds its ``model_config`` and the default of ``member``, its static name in the group.
    """

    home: Home
    process: ProcessGroup = ProcessGroup()
    health: HealthGroup = HealthGroup()
    reducer: ReducerGroup = ReducerGroup()
    rejections: RejectionsGroup = RejectionsGroup()
    member: str

    @field_validator("reducer")
    @classmethod
    def _polls_fit_the_liveness(cls, reducer: ReducerGroup, info: ValidationInfo) -> ReducerGroup:
        health = info.data.get("health")
        if health is not None and reducer.heartbeat_s >= health.silent_s:
            raise PollsTooRareError(silent_s=health.silent_s)
        return reducer


def build_chassis(reducer: Reducer[S], settings: ReducerSettings, *, log: Log) -> KeyedReducer[S]:
    """The reducer on a log, with metrics of its own. It holds nothing open until it runs."""
    return KeyedReducer(
        reducer,
        log=log,
        registry=Registry.load(topics_dir()),
        settings=settings.reducer,
        metrics=Metrics(CollectorRegistry()),
        member=settings.member,
        rejections=settings.rejections.limit(),
        health=settings.health,
    )
