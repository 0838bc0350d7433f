"""Settings of the orchestrator; nothing else here reads the environment."""

from pydantic import Field

from facilitair_runtime.reducer_service import ReducerSettings
from facilitair_runtime.settings import config


class OrchestratorSettings(ReducerSettings):
    """What one orchestrator is told. None of it changes what is decided."""

    model_config = config("orchestrator")

    member: str = Field("orchestrator-0", description="Static name in the consumer group.")
