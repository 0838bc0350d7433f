"""Settings of accounts; nothing else here reads the environment."""

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from facilitair_accounts.errors import PollsTooRareError
from facilitair_runtime.settings import (
    HealthGroup,
    Home,
    ProcessGroup,
    ReducerGroup,
    RejectionsGroup,
    config,
)


class AccountReducerGroup(ReducerGroup):
    """As any keyed reducer, with fewer snapshots: an account may be megabytes."""

    snapshot_interval_ms: int = Field(
        1_000, ge=1, description="Shortest time between two snapshots of an account."
    )


class AccountsSettings(BaseSettings):
    """What one process of accounts is told. None of it changes what is decided."""

    model_config = config("accounts")

    home: Home
    process: ProcessGroup = ProcessGroup()
    health: HealthGroup = HealthGroup()
    reducer: AccountReducerGroup = AccountReducerGroup()
    rejections: RejectionsGroup = RejectionsGroup()
    member: str = Field("accounts-0", description="Static name in the consumer group.")

    @field_validator("reducer")
    @classmethod
    def _polls_fit_the_liveness(
        cls, reducer: AccountReducerGroup, info: ValidationInfo
    ) -> AccountReducerGroup:
        health = info.data.get("health")
        if health is not None and reducer.heartbeat_s >= health.silent_s:
            raise PollsTooRareError(silent_s=health.silent_s)
        return reducer
