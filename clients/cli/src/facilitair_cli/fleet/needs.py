"""What a fleet needs of this machine, found out before anything starts."""

import errno
import hashlib
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from facilitair_cli.errors import OptionError, StartError
from facilitair_cli.fleet.keeping import Tell
from facilitair_events.layout import checkout_root
from facilitair_native.cache import cache_folder, is_intact
from facilitair_native.errors import MissingProgramError, NativeError
from facilitair_native.maven import fetch_jars
from facilitair_native.programs import find_java, find_maven

STORES: Final = ("kafka",)
_KAFKA: Final = "kafka"


def check_stores(given: str) -> None:
    """Raise OptionError for a server that no fleet can have yet."""
    unknown = [name for name in given.split(",") if name.strip() not in STORES]
    if unknown or _KAFKA not in given:
        reason = f"{given!r}: this version has {', '.join(STORES)}, and a fleet needs kafka"
        raise OptionError(option="--stores", reason=reason)


def kafka_pom() -> Path:
    """What says which jars Kafka is made of."""
    return checkout_root() / "deploy" / "native" / "kafka" / "pom.xml"


def has_kafka(environ: Mapping[str, str]) -> bool:
    """Whether Kafka's jars are in the cache."""
    digest = hashlib.sha256(kafka_pom().read_bytes()).hexdigest()[:16]
    return is_intact(cache_folder(environ) / "native" / f"{_KAFKA}-{digest}")


def missing_programs(environ: Mapping[str, str], *, fetched: bool) -> list[str]:
    """What is missing for a Kafka of our own, each with what to do about it."""
    faults = []
    path = environ.get("PATH")
    try:
        find_java(needed_for="Kafka", path=path)
    except MissingProgramError as error:
        faults.append(str(error))
    if not fetched:
        try:
            find_maven(needed_for="fetching Kafka", path=path)
        except MissingProgramError as error:
            faults.append(str(error))
    if faults:
        faults.append(
            "or set KAFKA_BOOTSTRAP_SERVERS to a cluster; `facilitair up` alone needs none of these"
        )
    return faults


def fetch_kafka(environ: Mapping[str, str], tell: Tell) -> None:
    """Have Kafka's jars; takes minutes the first time. Raises StartError with all that is missing.

    Blocks.
    """
    fetched = has_kafka(environ)
    faults = missing_programs(environ, fetched=fetched)
    if faults:
        raise StartError(faults=faults)
    if fetched:
        return
    tell("fetching Kafka by Maven, once for all checkouts")
    try:
        fetch_jars(kafka_pom(), name=_KAFKA, cache=cache_folder(environ), path=environ.get("PATH"))
    except NativeError as error:
        raise StartError(faults=[str(error)]) from error


def check_port(host: str, port: int) -> str | None:
    """Why nobody can listen there, or None. Port 0 is always free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return (
                    f"{host}:{port} is taken by another program;"
                    " set FACILITAIR_GATEWAY_PORT to another port, or to 0 for any free one"
                )
            return f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}"
    return None


def gateway_ports(host: str, port: int, *, free: Sequence[int]) -> list[int]:
    """A port for each replica, kept over its restarts; ``free`` has as many as there are replicas.

    The first one takes the port that is set. Raises StartError when that is taken.
    """
    fault = check_port(host, port)
    if fault is not None:
        raise StartError(faults=[fault])
    return [port or free[0], *free[1:]]
