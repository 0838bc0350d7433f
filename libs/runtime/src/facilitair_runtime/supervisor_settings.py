"""How long who runs the services waits before it restarts one (``FACILITAIR_SUPERVISOR_…``)."""

from pydantic import Field
from pydantic_settings import BaseSettings

from facilitair_runtime.settings import config


class SupervisorSettings(BaseSettings):
    """Patience of solo and of the launcher of a fleet; when a service fails is its own setting."""

    model_config = config("supervisor")

    probe_s: float = Field(2.0, gt=0, description="Time between two questions of the launcher.")
    failing_s: float = Field(
        10.0, gt=0, description="How long a service may say that it is not live, then it restarts."
    )
    unanswered_s: float = Field(
        60.0,
        gt=0,
        description="How long a process may not answer at all, because it is stopped or its event"
        " loop is blocked; then it is killed. Keep it well above KAFKA_SESSION_TIMEOUT_S.",
    )
