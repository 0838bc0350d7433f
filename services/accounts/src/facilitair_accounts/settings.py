"""Settings of accounts; nothing else here reads the environment."""

from pydantic import Field

from facilitair_runtime.reducer_service import ReducerSettings
from facilitair_runtime.settings import ReducerGroup, config


class AccountReducerGroup(ReducerGroup):
    """As any keyed reducer, with fewer snapshots: an account may be megabytes."""

    snapshot_interval_ms: int = Field(
        1_000, ge=1, description="Shortest time between two snapshots of an account."
    )


class AccountsSettings(ReducerSettings):
    """What one process of accounts is told. None of it changes what is decided."""

    model_config = config("accounts")

    reducer: AccountReducerGroup = AccountReducerGroup()
    member: str = Field("accounts-0", description="Static name in the consumer group.")
