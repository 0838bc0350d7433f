"""Which processes a fleet is made of, and what each is told. Pure."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from facilitair_cli.errors import OptionError

SERVICES: Final = ("accounts", "orchestrator", "agent-worker", "gateway")
"""In the order in which they start; they stop in the reverse, so that viewers hear of it first."""

MOST: Final = 12
"""The partitions of a keyed topic: further members of a group would have nothing to do."""


class Member(Struct, frozen=True, kw_only=True):
    """One process of a service; ``environ`` is what it is told beside what everybody is."""

    service: str
    number: int
    environ: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its static name in its consumer group, and in files of the state folder."""
        return f"{self.service}-{self.number}"

    @property
    def command(self) -> list[str]:
        """How it is started."""
        return [sys.executable, "-m", f"facilitair_{self.service.replace('-', '_')}"]


class Surroundings(Struct, frozen=True, kw_only=True):
    """What all members of a fleet share; ``gateway_ports`` has one for each replica."""

    home: Path
    bootstrap: str
    simulator_url: str | None
    gateway_ports: Sequence[int]


def parse_scale(given: Sequence[str]) -> dict[str, int]:
    """How many processes each service gets, from ``SERVICE=N``. Raises OptionError."""
    counts = dict.fromkeys(SERVICES, 1)
    named: set[str] = set()
    for text in given:
        service, _, number = text.partition("=")
        if service not in counts:
            reason = f"{text!r} names no service; there are {', '.join(SERVICES)}"
            raise OptionError(option="--scale", reason=reason)
        if not (number.isascii() and number.isdigit()) or not 1 <= int(number) <= MOST:
            reason = f"{text!r} must be {service}=N with N from 1 to {MOST}"
            raise OptionError(option="--scale", reason=reason)
        if service in named:
            raise OptionError(option="--scale", reason=f"{service} is given twice")
        named.add(service)
        counts[service] = int(number)
    return counts


def members(counts: Mapping[str, int], around: Surroundings) -> list[Member]:
    """All processes, in the order in which they start."""
    return [
        Member(
            service=service,
            number=number,
            environ=_environ(service, number, around=around),
        )
        for service in SERVICES
        for number in range(counts[service])
    ]


def _environ(service: str, number: int, *, around: Surroundings) -> dict[str, str]:
    prefix = f"FACILITAIR_{service.replace('-', '_').upper()}_"
    told = {
        "FACILITAIR_HOME": str(around.home),
        "KAFKA_BOOTSTRAP_SERVERS": around.bootstrap,
        f"{prefix}MEMBER": f"{service}-{number}",
    }
    if around.simulator_url is not None and service in {"gateway", "agent-worker"}:
        told[f"{prefix}SIMULATOR_URL"] = around.simulator_url
    if service == "gateway":
        told[f"{prefix}PORT"] = str(around.gateway_ports[number])
    return told
