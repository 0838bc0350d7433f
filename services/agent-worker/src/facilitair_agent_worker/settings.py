"""Settings of the agent worker."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from facilitair_runtime.settings import Group, Home, ProcessGroup, config


class TimeoutsGroup(Group):
    """How long a provider may stand still."""

    connect_s: float = Field(10.0, gt=0, description="Name lookup, TCP and TLS.")
    first_byte_s: float = Field(120.0, gt=0, description="From the request to the first event.")
    idle_s: float = Field(60.0, gt=0, description="From one event of a stream to the next.")


class AgentWorkerSettings(BaseSettings):
    """What one agent worker is allowed and where it finds things."""

    model_config = config("agent-worker")

    home: Home
    process: ProcessGroup = ProcessGroup()
    timeouts: TimeoutsGroup = TimeoutsGroup()
    member: str = Field("agent-worker-0", description="Static name in the consumer group.")
    calls_in_flight: Annotated[int, Field(ge=1)] = Field(
        64, description="Model calls that this process makes at once."
    )
    max_output_bytes: Annotated[int, Field(ge=1024)] = Field(
        4 * 1024 * 1024, description="An answer longer than this fails its attempt."
    )
    lease_s: Annotated[float, Field(gt=0)] = Field(
        30.0, description="A claim is not used any more after a third of this (R19)."
    )
    simulator_url: str | None = Field(
        None, description="Where a simulator answers; set by who starts one."
    )
