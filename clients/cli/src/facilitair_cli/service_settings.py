"""The settings of all services at once, for who starts them: every fault told in one go."""

import os
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from pydantic_settings import BaseSettings

from facilitair_accounts.settings import AccountsSettings
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_cli.errors import StartError
from facilitair_gateway.settings import GatewaySettings
from facilitair_llm.endpoints import Endpoints, resolve_endpoints
from facilitair_llm.errors import EndpointsError
from facilitair_llm.simulator.settings import SimulatorSettingsError
from facilitair_llm.simulator.settings import read_settings as read_simulator_settings
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_runtime.cluster import ClusterSettings
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.log_file import LogSettings
from facilitair_runtime.settings import load, names, read
from facilitair_runtime.supervisor_settings import SupervisorSettings

_OTHER_NAMES: Final = frozenset(
    {
        "FACILITAIR_PROVIDER",
        "FACILITAIR_MODEL",
        "FACILITAIR_SIMULATOR_PORT",
        "FACILITAIR_SIMULATOR_TTFT_MS",
        "FACILITAIR_SIMULATOR_TOKENS_PER_S",
        "FACILITAIR_SIMULATOR_JOURNAL",
    }
)
"""What providers and the simulator read; the simulator checks its own values."""


class SoloSettings(Struct, frozen=True, kw_only=True):
    """The settings of every service."""

    gateway: GatewaySettings
    accounts: AccountsSettings
    orchestrator: OrchestratorSettings
    agent_worker: AgentWorkerSettings
    log: LogSettings
    supervisor: SupervisorSettings

    @property
    def deadline_s(self) -> float:
        """How long work in flight may go on after the stop."""
        services = (self.gateway, self.accounts, self.orchestrator, self.agent_worker)
        return max(service.process.deadline_s() for service in services)


def read_settings(*, port: int | None) -> SoloSettings:
    """Read all settings; ``port`` wins over the environment. Raises StartError with all faults."""
    classes: dict[str, type[BaseSettings]] = {
        "gateway": GatewaySettings,
        "accounts": AccountsSettings,
        "orchestrator": OrchestratorSettings,
        "agent_worker": AgentWorkerSettings,
        "log": LogSettings,
        "supervisor": SupervisorSettings,
    }
    known = _OTHER_NAMES.union(*map(names, classes.values()))
    found: dict[str, Any] = {}
    faults: list[str] = []
    for name, settings in classes.items():
        more = {"port": port} if name == "gateway" and port is not None else {}
        try:
            found[name] = load(settings, known=known, **more)
        except SettingsError as error:
            faults += error.faults
    try:
        # What is misspelt was told already, whoever's it was.
        read_simulator_settings({n: v for n, v in os.environ.items() if n in _OTHER_NAMES})
    except SimulatorSettingsError as error:
        faults += error.faults
    if faults:
        raise StartError(faults=faults)
    return SoloSettings(**found)


def read_fleet_settings() -> tuple[SoloSettings, ClusterSettings]:
    """Those, and where the cluster is. Raises StartError with all faults."""
    faults: list[str] = []
    services: SoloSettings | None = None
    cluster: ClusterSettings | None = None
    try:
        services = read_settings(port=None)
    except StartError as error:
        faults += error.faults
    try:
        cluster = read(ClusterSettings)
        cluster.security()
    except SettingsError as error:
        faults += error.faults
    if faults or services is None or cluster is None:
        raise StartError(faults=faults)
    return services, cluster


def read_endpoints(environ: Mapping[str, str], *, simulator_url: str | None) -> Endpoints:
    """The providers that are set up. Raises StartError."""
    try:
        return resolve_endpoints(environ, simulator_url)
    except EndpointsError as error:
        raise StartError(faults=error.faults) from error
