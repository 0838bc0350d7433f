"""Settings of the agent worker."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from facilitair_agent_worker.admission import AdmissionRules
from facilitair_agent_worker.admission_settings import BreakerGroup, RatesGroup, admission_rules
from facilitair_agent_worker.errors import RenewalTooRareError, WaitTooLongError
from facilitair_agent_worker.lease import Lease
from facilitair_agent_worker.slots import BATCH_SHARE
from facilitair_llm.framing import MAX_EVENT_BYTES
from facilitair_llm.http_stream import ResponseLimits
from facilitair_llm.network import NetworkRules
from facilitair_runtime.settings import (
    Group,
    HealthGroup,
    Home,
    LocalOnly,
    ProcessGroup,
    RejectionsGroup,
    config,
)


class TimeoutsGroup(Group):
    """How long a provider may stand still."""

    connect_s: float = Field(10.0, gt=0, description="Name lookup, TCP and TLS.")
    first_byte_s: float = Field(120.0, gt=0, description="From the request to the first event.")
    idle_s: float = Field(60.0, gt=0, description="From one event of a stream to the next.")


class NetworkGroup(Group):
    """Which addresses models may be called at; see docs/how-to/keys-and-networks.md."""

    allow_private: bool = Field(
        default=False,
        description="Allow providers in private networks (10/8, 172.16/12, 192.168/16, …).",
    )
    allowed: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks that providers may be in beside the internet, as a JSON list."
    )


class ResponsesGroup(Group):
    """How much of a provider's response is read."""

    max_bytes: int = Field(
        256 << 20, ge=1024, description="Longest response; a longer one fails its attempt."
    )
    max_event_bytes: int = Field(
        MAX_EVENT_BYTES, ge=1024, le=MAX_EVENT_BYTES, description="Longest event of a stream."
    )
    max_header_bytes: int = Field(
        16 << 10, ge=1024, description="Longest status line, and longest of its headers."
    )
    max_error_bytes: int = Field(
        64 << 10, ge=0, description="How much of an error's body is read to tell what it means."
    )


class AgentWorkerSettings(BaseSettings):
    """What one agent worker is allowed and where it finds things."""

    model_config = config("agent-worker")

    home: Home
    process: ProcessGroup = ProcessGroup()
    health: HealthGroup = HealthGroup()
    rejections: RejectionsGroup = RejectionsGroup()
    timeouts: TimeoutsGroup = TimeoutsGroup()
    breaker: BreakerGroup = BreakerGroup()
    rates: RatesGroup = RatesGroup()
    network: NetworkGroup = NetworkGroup()
    responses: ResponsesGroup = ResponsesGroup()
    local_only: LocalOnly = False
    require_tenant_keys: bool = Field(
        default=False,
        description="Call providers on other machines only with a key that the tenant brought.",
    )
    member: str = Field("agent-worker-0", description="Static name in the consumer group.")
    calls_in_flight: Annotated[int, Field(ge=1)] = Field(
        64, description="Model calls that this process makes at once."
    )
    batch_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        BATCH_SHARE,
        description="Part of these calls that is for batch work while interactive work waits too.",
    )
    max_output_bytes: Annotated[int, Field(ge=1024)] = Field(
        4 * 1024 * 1024, description="An answer longer than this fails its attempt."
    )
    lease_s: Annotated[float, Field(gt=0)] = Field(
        30.0,
        validate_default=True,
        description="Silence after which a claimant counts as dead; the same for all workers."
        " A claim that is not used within a third of it is given up.",
    )
    renew_s: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Time between two signs of life of a claimant; default is a third of lease_s.",
    )
    simulator_url: str | None = Field(
        None, description="Where a simulator answers; set by who starts one."
    )

    @field_validator("lease_s")
    @classmethod
    def _waits_fit_the_lease(cls, lease_s: float, info: ValidationInfo) -> float:
        rates = info.data.get("rates")
        if rates is not None and rates.wait_s is not None and rates.wait_s > lease_s / 3:
            raise WaitTooLongError(wait_s=rates.wait_s)
        return lease_s

    @field_validator("renew_s")
    @classmethod
    def _renewals_fit_the_lease(cls, renew_s: float | None, info: ValidationInfo) -> float | None:
        lease_s = info.data.get("lease_s")
        if renew_s is not None and lease_s is not None and renew_s > lease_s / 2:
            raise RenewalTooRareError(lease_s=lease_s)
        return renew_s

    @property
    def admission(self) -> AdmissionRules:
        """Breaker and rates together."""
        return admission_rules(
            self.breaker, self.rates, lease_s=self.lease_s, calls_in_flight=self.calls_in_flight
        )

    @property
    def lease(self) -> Lease:
        """Lease and renewal together."""
        renew_s = self.lease_s / 3 if self.renew_s is None else self.renew_s
        return Lease(lease_s=self.lease_s, renew_s=renew_s)

    def network_rules(self, *, loopback: bool) -> NetworkRules:
        """What calls of endpoints are held to whose base URL is, or is not, this machine's."""
        return NetworkRules(
            loopback=loopback,
            allow_private=self.network.allow_private,
            allowed=self.network.allowed,
            local_only=self.local_only,
        )

    def response_limits(self) -> ResponseLimits:
        """How much of a response is read."""
        return ResponseLimits(
            max_bytes=self.responses.max_bytes,
            max_event_bytes=self.responses.max_event_bytes,
            max_header_bytes=self.responses.max_header_bytes,
            max_error_bytes=self.responses.max_error_bytes,
        )
