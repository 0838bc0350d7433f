"""The log of a fleet: where its Kafka cluster is, and how a process gets in."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from facilitair_events.registry import Registry
from facilitair_messaging.ports import Log
from facilitair_messaging.security import SecuritySettings
from facilitair_runtime.errors import SettingsError

BOOTSTRAP: Final = "KAFKA_BOOTSTRAP_SERVERS"

_ADDRESS: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]):([0-9]{1,5})")
_MAX_PORT: Final = 65_535


class ClusterSettings(BaseSettings):
    """Settings of the cluster, named as users of Kafka name them (``KAFKA_…``)."""

    model_config = SettingsConfigDict(
        env_prefix="KAFKA_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    bootstrap_servers: str | None = Field(
        None, description="host:port of some brokers; unset means the embedded log."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How brokers are talked to."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How a client proves who it is."
    )
    sasl_username: str | None = Field(None, description="User of the SASL_ protocols.")
    sasl_password: SecretStr | None = Field(None, description="Its password.")
    ssl_ca_file: Path | None = Field(
        None, description="Who signs the brokers' certificates; default is the system's."
    )
    ssl_cert_file: Path | None = Field(None, description="Certificate of this client (PEM).")
    ssl_key_file: Path | None = Field(None, description="Key of that certificate (PEM).")
    ssl_check_hostname: bool = Field(
        True,  # noqa: FBT003 - the default of a field
        description="Whether a broker's certificate must name its host.",
    )
    session_timeout_s: float = Field(
        15.0, ge=1, description="A group member that was silent for so long has lost its place."
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, given: str | None) -> str | None:
        """The client library would raise, or wait for a name that no host has."""
        if given is None or not given.strip():
            return None
        addresses = [address.strip() for address in given.split(",")]
        for address in addresses:
            found = _ADDRESS.fullmatch(address)
            if found is None or not 0 < int(found[1]) <= _MAX_PORT:
                message = "must be host:port of some brokers, separated by commas"
                raise ValueError(message)
        return ",".join(addresses)

    def security(self) -> SecuritySettings:
        """What the client library is given. Raises SettingsError with what is missing."""
        faults = []
        if self.security_protocol.startswith("SASL_"):
            given = {"USERNAME": self.sasl_username, "PASSWORD": self.sasl_password}
            faults = [
                f"KAFKA_SASL_{name} must be set: KAFKA_SECURITY_PROTOCOL={self.security_protocol}"
                for name, value in given.items()
                if value is None
            ]
        files = {"CA": self.ssl_ca_file, "CERT": self.ssl_cert_file, "KEY": self.ssl_key_file}
        faults += [
            f"KAFKA_SSL_{name}_FILE: {path} is no file"
            for name, path in files.items()
            if path is not None and not path.is_file()
        ]
        if faults:
            raise SettingsError(faults=faults)
        return SecuritySettings(
            protocol=self.security_protocol,
            mechanism=self.sasl_mechanism,
            username=self.sasl_username,
            password=None if self.sasl_password is None else self.sasl_password.get_secret_value(),
            ca_file=self.ssl_ca_file,
            cert_file=self.ssl_cert_file,
            key_file=self.ssl_key_file,
            check_hostname=self.ssl_check_hostname,
        )


@asynccontextmanager
async def open_cluster(
    bootstrap: str, registry: Registry, *, settings: ClusterSettings, client_id: str
) -> AsyncIterator[Log]:
    """Connect to the cluster as ``client_id``; creates nothing.

    Raises LogUnavailableError, LogAccessError and SettingsError.
    """
    # Solo never pays for the client library.
    from facilitair_messaging.adapters.kafka import KafkaLog, Timing  # noqa: PLC0415

    async with KafkaLog.open(
        bootstrap,
        registry.topics,
        security=settings.security(),
        timing=Timing(session_s=settings.session_timeout_s),
        client_id=client_id,
    ) as log:
        yield log
