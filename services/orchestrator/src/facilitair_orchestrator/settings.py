"""Settings of the orchestrator; nothing else here reads the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings

from facilitair_runtime.settings import Home, ProcessGroup, ReducerGroup, config


class OrchestratorSettings(BaseSettings):
    """What one orchestrator is told. None of it changes what is decided."""

    model_config = config("orchestrator")

    home: Home
    process: ProcessGroup = ProcessGroup()
    reducer: ReducerGroup = ReducerGroup()
    member: str = Field("orchestrator-0", description="Static name in the consumer group.")
