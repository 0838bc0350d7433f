"""Settings of the orchestrator; nothing else here reads the environment."""

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from facilitair_orchestrator.errors import PollsTooRareError
from facilitair_runtime.settings import (
    HealthGroup,
    Home,
    ProcessGroup,
    ReducerGroup,
    RejectionsGroup,
    config,
)


class OrchestratorSettings(BaseSettings):
    """What one orchestrator is told. None of it changes what is decided."""

    model_config = config("orchestrator")

    home: Home
    process: ProcessGroup = ProcessGroup()
    health: HealthGroup = HealthGroup()
    reducer: ReducerGroup = ReducerGroup()
    rejections: RejectionsGroup = RejectionsGroup()
    member: str = Field("orchestrator-0", description="Static name in the consumer group.")

    @field_validator("reducer")
    @classmethod
    def _polls_fit_the_liveness(cls, reducer: ReducerGroup, info: ValidationInfo) -> ReducerGroup:
        health = info.data.get("health")
        if health is not None and reducer.heartbeat_s >= health.silent_s:
            raise PollsTooRareError(silent_s=health.silent_s)
        return reducer
