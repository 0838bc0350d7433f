"""Everything that can be set about the gateway; nothing else here reads the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from facilitair_events.layout import checkout_root
from facilitair_runtime.settings import (
    Group,
    HealthGroup,
    Home,
    LocalOnly,
    ProcessGroup,
    config,
)

MIB = 1024 * 1024


class StreamGroup(Group):
    """How viewers are served."""

    ring_bytes: int = Field(
        4 * MIB, ge=0, description="Recent records held in memory, per partition."
    )
    client_buffer_bytes: int = Field(
        MIB, ge=1024, description="How far a live viewer may fall behind before it is cut off."
    )
    replay_readers: int = Field(
        2, ge=1, description="Readers shared by all viewers that are behind the ring."
    )
    heartbeat_s: float = Field(
        15.0, gt=0, description="Longest silence on an idle stream; then a comment is sent."
    )
    retry_ms: int = Field(
        1000, ge=0, description="When viewers shall come back that a stopping gateway sends away."
    )
    send_timeout_s: float = Field(
        30.0, ge=1, description="How long a client may leave what was sent unacknowledged."
    )


class SocketsGroup(Group):
    """How WebSockets are served; events, buffers and heartbeats are those of ``stream``."""

    allowed_origins: tuple[str, ...] = Field(
        (), description="Origins of web pages on other hosts that may connect, as a JSON list."
    )
    max_subscriptions: int = Field(
        100, ge=1, description="Collaborations that one socket may watch at a time."
    )
    frames_per_s: float = Field(
        20.0, gt=0, description="Frames that a client may send in the long run; more is cut off."
    )
    burst_frames: int = Field(
        200, ge=1, description="Frames that a client may send at once, and that may be pending."
    )


class ModelsGroup(Group):
    """Which models collaborations may use."""

    required_tags: tuple[str, ...] = Field(
        (), description="Tags that every model of a collaboration must have, as a JSON list."
    )
    allowed: tuple[str, ...] = Field(
        (),
        description="Models that may be used, as a JSON list of patterns such as 'openai/*';"
        " empty allows all.",
    )


class PolicyGroup(Group):
    """Which other services a collaboration waits for; it is resolved and kept with each."""

    reserve: Literal["required", "off"] = Field(
        "required", description="Whether money is reserved before anything that costs some is done."
    )


class GatewaySettings(BaseSettings):
    """Settings of the gateway."""

    model_config = config("gateway")

    home: Home
    process: ProcessGroup = ProcessGroup()
    health: HealthGroup = HealthGroup()
    stream: StreamGroup = StreamGroup()
    sockets: SocketsGroup = SocketsGroup()
    models: ModelsGroup = ModelsGroup()
    policy: PolicyGroup = PolicyGroup()
    local_only: LocalOnly = False
    member: str = Field(
        "gateway-0", description="Name among the replicas; that of the first ends with -0."
    )
    definitions: Path = Field(
        default_factory=checkout_root,
        description="Folder that holds workflows, agents, prompts and models.",
    )
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    max_task_bytes: int = Field(
        MIB, ge=1, description="Longest task, and longest text input, that is taken."
    )
    max_body_bytes: int = Field(
        2 * MIB, ge=1024, description="Largest request body that is read at all."
    )
    request_timeout_s: float = Field(
        2.0, gt=0, description="How long a request waits for the log, and then for its answer."
    )
    letters_read_s: float = Field(
        5.0, gt=0, description="How long one request may read dead letters; then it is asked again."
    )
    exports_at_once: int = Field(
        4, ge=1, description="Exports of entries that are read at once; then 503."
    )
    environment: str = Field(
        "local",
        pattern=r"^[a-z0-9]{1,16}$",
        description="Part of new API keys, so that those of a test are told from production's.",
    )
    key_pepper: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret that digests of new API keys are made with; a key needs it for ever.",
    )
    admin_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="A key with all rights, for the first start and for when all others are lost.",
    )
    wrong_keys_burst: int = Field(
        100, ge=1, description="Wrong API keys that one address may send at once; then 429."
    )
    wrong_keys_per_s: float = Field(
        1.0, gt=0, description="Wrong API keys that one address may send in the long run."
    )
    simulator_url: str | None = Field(
        None, description="Where a simulator answers, when no model provider is set up."
    )
