"""What a native Kafka broker is told: one node that is broker and controller (KRaft)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from facilitair_native.ports import HOST

NODE_ID: Final = 1

_DAY_MINUTES: Final = 24 * 60
_FIXED: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": str(NODE_ID),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # Topics come from the registry only, with append times (R1, R2).
    "auto.create.topics.enable": "false",
    "log.message.timestamp.type": "LogAppendTime",
    # One broker.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A commit takes 1.5 ms instead of 6.8 (M5), a first member does not wait for others.
    "group.coordinator.append.linger.ms": "0",
    "group.initial.rebalance.delay.ms": "0",
    # For a million keys at a time instead of five; 32 MB of heap instead of 128.
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    # A killed broker is refused until its own controller has forgotten it: 9 s by default.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # A fleet that was down longer than a week goes on where it was, as long as records are kept.
    "offsets.retention.minutes": str(40 * _DAY_MINUTES),
}


class Tls(Struct, frozen=True, kw_only=True):
    """A second listener with TLS and SASL/SCRAM-SHA-512, for clients that must prove who they are.

    ``keystore`` is PKCS#12; ``users`` maps names to passwords.
    """

    keystore: Path
    keystore_password: str
    users: Mapping[str, str]


def server_properties(
    *,
    data: Path,
    port: int,
    controller_port: int,
    secure_port: int | None,
    tls: Tls | None,
    overrides: Mapping[str, str],
    advertised_port: int | None = None,
) -> str:
    """The properties file; ``overrides`` win over everything.

    ``advertised_port`` is where clients are sent that ask who leads a partition: a proxy's.
    """
    listeners = {"PLAINTEXT": port, "CONTROLLER": controller_port}
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
    secure: dict[str, str] = {}
    if tls is not None and secure_port is not None:
        listeners["SECURE"] = secure_port
        protocols["SECURE"] = "SASL_SSL"
        secure = {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": str(tls.keystore),
            "ssl.keystore.password": tls.keystore_password,
            "listener.name.secure.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
        }
    where = {name: f"{name}://{HOST}:{number}" for name, number in listeners.items()}
    told = {n: where[n] for n in where if n != "CONTROLLER"}
    if advertised_port is not None:
        told["PLAINTEXT"] = f"PLAINTEXT://{HOST}:{advertised_port}"
    settings = {
        **_FIXED,
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{controller_port}",
        "listeners": ",".join(where.values()),
        "advertised.listeners": ",".join(told.values()),
        "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in protocols.items()),
        "log.dirs": str(data),
        **secure,
        **overrides,
    }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def _escaped(value: str) -> str:
    """A value as Java's properties files write it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
