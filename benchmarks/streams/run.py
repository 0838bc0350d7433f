"""One run of many streams: a process for each role, what arrived, and what it cost each of them."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.counted import Requests, read_counts
from benchmarks.peers.environment import peer_python
from benchmarks.processes import Shares, clean_environment, cpu_s
from benchmarks.streams.load import Load
from benchmarks.streams.naive_topic import create_naive_topic
from benchmarks.streams.talking import Talker, talking
from facilitair_native.kafka import KafkaServer

PARTITIONS = 12
START_S = 120.0
_PAUSE_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. ``cpu`` is CPU time in seconds by role.

    ``cores`` are shares of a core by role while tokens were offered, ``machine`` is the share of
    all cores that anybody took then.
    """

    offered: int
    sent: int
    tokens: int
    tokens_per_s: float
    p50_ms: float
    p99_ms: float
    records: int
    requests: Mapping[str, Requests] = field(default_factory=dict)
    cpu: Mapping[str, float]
    cores: Mapping[str, float]
    machine: float

    @property
    def span_s(self) -> float:
        """From the first token that a client read to the last one."""
        return self.tokens / max(self.tokens_per_s, 1e-9)

    def cpu_us(self, role: str | None = None) -> float:
        """CPU per token in microseconds: of a role, or of all but the clients."""
        spent_s = (
            sum(s for name, s in self.cpu.items() if name != "clients")
            if role is None
            else self.cpu[role]
        )
        return spent_s / max(self.tokens, 1) * 1e6


@contextmanager
def gateway_on(kafka: KafkaServer, home: Path) -> Iterator[tuple[str, int, Path]]:
    """A gateway with settings of its own making: its url, its process, and its counts."""
    counts = home / "gateway.counts"
    for left in (home / "run").glob("gateway*.json"):
        left.unlink()  # one that was here before was killed and has not said goodbye
    arguments = ("-m", "benchmarks.counted", str(counts), "facilitair_gateway")
    with talking(*arguments, environ=_environment(home, kafka)) as gateway:
        yield _announced(home), gateway.pid, counts


@contextmanager
def agents_on(kafka: KafkaServer, home: Path, *, load: Load) -> Iterator[tuple[Talker, Path]]:
    """Agents that are about to say where their streams begin, and their counts."""
    counts = home / "agents.counts"
    arguments = ("benchmarks.streams.agents", kafka.address, load.dumps())
    environ = _environment(home, kafka)
    with talking("-m", "benchmarks.counted", str(counts), *arguments, environ=environ) as agents:
        yield agents, counts


def places_of(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The path and the cursor of each stream."""
    return [
        (f"/v1/collaborations/{name}/stream", cursor)
        for name, cursor in zip(told["collaborations"], told["cursors"], strict=True)
    ]


def run_ours(load: Load, kafka: KafkaServer, *, home: Path) -> Run:
    """The worker's writer, the broker, a real gateway, plain clients: a process each."""
    with (
        # The agents begin only then, so that the gateway has every opening in its ring.
        gateway_on(kafka, home) as (url, gateway_pid, gateway_counts),
        agents_on(kafka, home, load=load) as (agents, agent_counts),
    ):
        paths = places_of(agents.hear())
        roles = {"gateway": gateway_pid, "broker": kafka.pid or 0}
        counts = {"worker": agent_counts, "gateway": gateway_counts}
        return _watched(
            load, url, paths=paths, agents=agents, home=home, roles=roles, counts=counts
        )


def run_naive(load: Load, kafka: KafkaServer, *, home: Path) -> Run:
    """The same with the naive build."""
    python, environ = peer_python("naive"), clean_environment()
    asyncio.run(create_naive_topic(kafka.address, partitions=PARTITIONS))
    counts = {"worker": home / "agents.counts", "gateway": home / "gateway.counts"}
    start = partial(talking, "-m", "benchmarks.counted", python=python, environ=environ)
    programs = {
        "gateway": ("benchmarks.streams.naive_gateway", kafka.address, str(PARTITIONS)),
        "worker": ("benchmarks.streams.naive_agents", kafka.address, load.dumps()),
    }
    with (
        start(str(counts["gateway"]), *programs["gateway"]) as gateway,
        start(str(counts["worker"]), *programs["worker"]) as agents,
    ):
        url = gateway.hear()["url"]
        paths = [(f"/stream/{name}", "") for name in agents.hear()["collaborations"]]
        roles = {"gateway": gateway.pid, "broker": kafka.pid or 0}
        return _watched(
            load, url, paths=paths, agents=agents, home=home, roles=roles, counts=counts
        )


def run_embedded(load: Load, *, home: Path) -> Run:
    """The writer, the embedded log and the gateway in one process."""
    arguments = ("-m", "benchmarks.streams.embedded", str(home), load.dumps())
    with talking(*arguments, environ=clean_environment()) as solo:
        url = solo.hear()["url"]
        paths = places_of(solo.hear())
        roles = {"solo": solo.pid}
        return _watched(load, url, paths=paths, agents=solo, home=home, roles=roles, counts={})


def _watched(
    load: Load,
    url: str,
    *,
    paths: Sequence[tuple[str, str]],
    agents: Talker,
    home: Path,
    roles: Mapping[str, int],
    counts: Mapping[str, Path],
) -> Run:
    places = home / "places.json"
    places.write_text(json.dumps(paths))
    arguments = ("-m", "benchmarks.streams.clients", url, load.dumps(), str(places))
    with talking(*arguments, environ=clean_environment()) as clients:
        clients.hear()
        cpu_before = {role: cpu_s(pid) for role, pid in roles.items()}
        before = {role: read_counts(path) for role, path in counts.items()}
        shares = Shares({**roles, "worker": agents.pid, "clients": clients.pid})
        clients.go()
        agents.go()
        sent = agents.hear()
        taken, machine = shares.taken()
        seen = clients.hear()
        requests = {role: read_counts(path) - before[role] for role, path in counts.items()}
        spent = {role: cpu_s(pid) - cpu_before[role] for role, pid in roles.items()}
    if "solo" not in spent:
        spent = {"worker": sent["cpu_s"], **spent}
    agents.go()
    return Run(
        offered=int(load.tokens_per_s * load.seconds),
        sent=sent["sent"],
        tokens=seen["tokens"],
        tokens_per_s=seen["tokens_per_s"],
        p50_ms=seen["p50_ms"],
        p99_ms=seen["p99_ms"],
        records=sent["records"],
        requests=requests,
        cpu=spent | {"clients": seen["cpu_s"]},
        cores=taken,
        machine=machine,
    )


def _environment(home: Path, kafka: KafkaServer) -> dict[str, str]:
    return {
        **clean_environment(),
        "FACILITAIR_HOME": str(home),
        "FACILITAIR_GATEWAY_PORT": "0",
        "FACILITAIR_GATEWAY_PROCESS__LOG_LEVEL": "ERROR",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "FACILITAIR_PROVIDER": "openai",
        "FACILITAIR_MODEL": "none",
    }


def _announced(home: Path) -> str:
    """The gateway's url, once it is ready. Raises TimeoutError."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        urls = {path.name: _url(path) for path in (home / "run").glob("gateway*.json")}
        ops = [url for name, url in urls.items() if name.endswith(".ops.json")]
        own = [url for name, url in urls.items() if not name.endswith(".ops.json")]
        if ops and own and _answers(f"{ops[0]}/ready"):
            return own[0]
        time.sleep(_PAUSE_S)
    raise TimeoutError(str(home))


def _url(path: Path) -> str:
    return str(json.loads(path.read_text())["url"])


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=START_S) as answer:  # noqa: S310 - our own address
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
