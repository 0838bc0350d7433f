"""How a client proves who it is to a Kafka cluster, and how it checks the cluster."""

import ssl
from pathlib import Path
from typing import Literal

from msgspec import Struct


class SecuritySettings(Struct, frozen=True, kw_only=True):
    """Passed through to the client library; the default is a cluster without any security.

    ``ca_file`` signs the brokers' certificates (default: the system's authorities).
    ``cert_file`` and ``key_file`` (PEM) are for brokers that ask clients for certificates.
    """

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    check_hostname: bool = True

    def __repr__(self) -> str:
        """Without the password, which must not reach logs."""
        return f"SecuritySettings(protocol={self.protocol!r}, username={self.username!r})"

    @property
    def encrypted(self) -> bool:
        """Whether connections use TLS."""
        return self.protocol in {"SSL", "SASL_SSL"}

    def tls_context(self) -> ssl.SSLContext | None:
        """For connections with TLS; None for others. Raises OSError for unreadable files."""
        if not self.encrypted:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.check_hostname = self.check_hostname
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context
