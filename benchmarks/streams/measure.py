"""Runs of many streams: what arrived, how late, and what a token cost each role."""

import asyncio
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

from benchmarks.peers.environment import peer_python
from benchmarks.processes import clean_environment, cpu_s
from benchmarks.readings import MICROSECONDS, Reading
from benchmarks.streams.load import Load
from benchmarks.streams.naive_topic import create_naive_topic
from benchmarks.streams.talking import Talker, talking
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_native.kafka import KafkaServer
from facilitair_runtime.cluster import ClusterSettings, open_cluster

PARTITIONS = 12
START_S = 30.0
_PAUSE_S = 0.05

FULL = Load(streams=100, tokens_per_s=1_000_000, seconds=6.0)
WIDE = Load(streams=1000, tokens_per_s=20_000, seconds=6.0)
SINGLE = Load(streams=1, tokens_per_s=400, seconds=4.0)
LOADS = (FULL, WIDE, SINGLE)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. ``cpu`` is CPU time in seconds by role."""

    sent: int
    tokens: int
    tokens_per_s: float
    p50_ms: float
    p99_ms: float
    records: int
    sends: int
    cpu: Mapping[str, float]

    @property
    def delivered(self) -> float:
        """The share of what was sent that clients read."""
        return self.tokens / max(self.sent, 1)

    def cpu_us(self, *, without_clients: bool = True) -> float:
        """CPU per token, in microseconds."""
        spent = sum(s for role, s in self.cpu.items() if role != "clients" or not without_clients)
        return spent / max(self.tokens, 1) * 1e6


def measure() -> list[Reading]:
    """Every load on Kafka, ours and naive, and ours on the embedded log."""
    with TemporaryDirectory(prefix="facilitair-bench-") as name:
        with _broker(Path(name)) as kafka:
            found = [
                reading
                for load in LOADS
                for reading in _compared(load, kafka, folder=Path(name) / "kafka-runs")
            ]
        for load in LOADS:
            run = run_embedded(load, folder=Path(name) / "embedded-runs")
            found += _told(load, run, where="embedded log", goal_p99_ms=None)
    return found


def _compared(load: Load, kafka: KafkaServer, *, folder: Path) -> Iterator[Reading]:
    ours = run_ours(load, kafka, folder=folder)
    naive = run_naive(load, kafka, folder=folder)
    yield from _told(load, ours, where="Kafka", goal_p99_ms=10.0 if load is WIDE else None)
    yield from _told(load, naive, where="Kafka, naive build", goal_p99_ms=None)
    if load is FULL:
        ratio = naive.tokens_per_s / ours.tokens_per_s
        yield Reading(f"{load.name}: naive / ours, tokens/s", ratio, "", 1 / 15)
    if load is WIDE:
        yield Reading(f"{load.name}: ours / naive, p99", ours.p99_ms / naive.p99_ms, "", 0.4)
        yield Reading(
            f"{load.name}: ours / naive, CPU per token without clients",
            ours.cpu_us() / naive.cpu_us(),
            "",
            0.6,
        )


def _told(load: Load, run: Run, *, where: str, goal_p99_ms: float | None) -> list[Reading]:
    what = f"{load.name}, {where}:"
    lost = 1 - run.delivered
    ours = "naive" not in where
    readings = [
        Reading(f"{what} tokens/s delivered", run.tokens_per_s, "tokens/s"),
        Reading(f"{what} share lost", lost, "", 0.0 if ours else None),
        Reading(f"{what} p50 oldest token to client", run.p50_ms, "ms"),
        Reading(f"{what} p99", run.p99_ms, "ms", goal_p99_ms),
        Reading(f"{what} tokens per record", run.sent / max(run.records, 1), "tokens"),
        Reading(f"{what} CPU per token without clients", run.cpu_us(), MICROSECONDS),
    ]
    for role, spent_s in run.cpu.items():
        readings.append(
            Reading(f"{what} of it {role}", spent_s / max(run.tokens, 1) * 1e6, MICROSECONDS)
        )
    return readings


def run_ours(load: Load, kafka: KafkaServer, *, folder: Path) -> Run:
    """The worker's writer, the broker, a real gateway, plain clients: a process each."""
    home = _fresh(folder)
    environ = _environment(home, kafka)
    asyncio.run(_create_topics(kafka.address))
    with (
        talking("-m", "facilitair_gateway", environ=environ) as gateway,
        # The agents begin only then, so that the gateway has every opening in its ring.
        nullcontext(_announced(home)) as url,
        talking(
            "-m", "benchmarks.streams.agents", kafka.address, load.dumps(), environ=environ
        ) as agents,
    ):
        places = agents.hear()
        paths = [
            (f"/v1/collaborations/{name}/stream", cursor)
            for name, cursor in zip(places["collaborations"], places["cursors"], strict=True)
        ]
        return _watched(load, url, paths, agents=agents, home=home,
                        roles={"gateway": gateway.pid, "broker": kafka.pid or 0})  # fmt: skip


def run_naive(load: Load, kafka: KafkaServer, *, folder: Path) -> Run:
    """The same with the naive build."""
    home = _fresh(folder)
    python, environ = peer_python("naive"), clean_environment()
    asyncio.run(create_naive_topic(kafka.address, partitions=PARTITIONS))
    start = partial(talking, python=python, environ=environ)
    with (
        start("-m", "benchmarks.streams.naive_gateway", kafka.address, str(PARTITIONS)) as gateway,
        start("-m", "benchmarks.streams.naive_agents", kafka.address, load.dumps()) as agents,
    ):
        url = gateway.hear()["url"]
        paths = [(f"/stream/{name}", "") for name in agents.hear()["collaborations"]]
        return _watched(load, url, paths, agents=agents, home=home,
                        roles={"gateway": gateway.pid, "broker": kafka.pid or 0})  # fmt: skip


def run_embedded(load: Load, *, folder: Path) -> Run:
    """The writer, the embedded log and the gateway in one process."""
    home = _fresh(folder)
    environ = clean_environment()
    with talking(
        "-m", "benchmarks.streams.embedded", str(home), load.dumps(), environ=environ
    ) as solo:
        url = solo.hear()["url"]
        places = solo.hear()
        paths = [
            (f"/v1/collaborations/{name}/stream", cursor)
            for name, cursor in zip(places["collaborations"], places["cursors"], strict=True)
        ]
        return _watched(load, url, paths, agents=solo, home=home, roles={"solo": solo.pid})


def _watched(  # noqa: PLR0917 - what is offered, and where it is read
    load: Load,
    url: str,
    paths: list[tuple[str, str]],
    *,
    agents: Talker,
    home: Path,
    roles: Mapping[str, int],
) -> Run:
    places = home / "places.json"
    places.write_text(json.dumps(paths))
    arguments = ("-m", "benchmarks.streams.clients", url, load.dumps(), str(places))
    with talking(*arguments, environ=clean_environment()) as clients:
        clients.hear()
        before = {role: cpu_s(pid) for role, pid in roles.items()}
        clients.go()
        agents.go()
        sent = agents.hear()
        seen = clients.hear()
        spent = {role: cpu_s(pid) - before[role] for role, pid in roles.items()}
    if "solo" not in spent:
        spent["agents"] = sent["cpu_s"]
    spent["clients"] = seen["cpu_s"]
    agents.go()
    return _run(sent, seen, spent=spent)


def _run(sent: Mapping[str, Any], seen: Mapping[str, Any], *, spent: Mapping[str, float]) -> Run:
    return Run(
        sent=sent["sent"],
        tokens=seen["tokens"],
        tokens_per_s=seen["tokens_per_s"],
        p50_ms=seen["p50_ms"],
        p99_ms=seen["p99_ms"],
        records=sent["records"],
        sends=sent["sends"],
        cpu=spent,
    )


@contextmanager
def _broker(folder: Path) -> Iterator[KafkaServer]:
    server = KafkaServer(folder / "broker", environ=os.environ)
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop()


async def _create_topics(bootstrap: str) -> None:
    registry = Registry.load(topics_dir())
    settings = ClusterSettings(bootstrap_servers=bootstrap)
    async with open_cluster(bootstrap, registry, settings=settings, client_id="bench") as log:
        await log.admin().ensure_topics(registry.topics.values())


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


def _fresh(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / str(sum(1 for _ in folder.iterdir()))
    home.mkdir()
    return home
