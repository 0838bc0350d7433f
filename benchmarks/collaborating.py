"""What solo adds to the time of its models: whole collaborations, and the first token.

The model is the simulator without latency and without a journal, in its own process.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.plain_http import Connections
from benchmarks.processes import ROOT, cpu_s, simulator
from benchmarks.readings import Reading, percentile
from facilitair_testing.solo import SoloProcess

STEPS = 10
WARM_UP = 5
CHAINS = 30
ANSWERS = 100
GOAL_SHARE_MS = 50.0
GOAL_FIRST_MS = 10.0
SYSTEM = "Role: assistant"
TASK = "Say what a keyed log is."


def measure() -> list[Reading]:
    """One solo; chains of ten steps, then single answers, one after the other."""
    return asyncio.run(_measure())


async def _measure() -> list[Reading]:
    at_once = {"FACILITAIR_SIMULATOR_TTFT_MS": "0", "FACILITAIR_SIMULATOR_TOKENS_PER_S": "0"}
    with simulator(**at_once) as model_url, closing(Connections(model_url)) as model:
        async with solo_with_chain(model_url) as solo:
            with closing(Connections(solo.url)) as gateway:
                return await asyncio.to_thread(_readings, gateway, model, pid=solo.pid)


def _readings(gateway: Connections, model: Connections, *, pid: int) -> list[Reading]:
    for _ in range(WARM_UP):
        _collaborate(gateway, "chain")
    before_s = cpu_s(pid)
    chains = [_collaborate(gateway, "chain") for _ in range(CHAINS)]
    spent_s = (cpu_s(pid) - before_s) / CHAINS
    answers = [_collaborate(gateway, "answer") for _ in range(WARM_UP + ANSWERS)][WARM_UP:]
    direct = [_ask(model) for _ in range(WARM_UP + ANSWERS)][WARM_UP:]
    whole = [last for _, last in chains]
    model_first = percentile([first for first, _ in direct], 0.5)
    added = [first - model_first for first, _ in answers]
    return [
        Reading(
            f"{STEPS}-step collaboration, POST to terminal frame, p50",
            percentile(whole, 0.5) * 1000,
            "ms",
            GOAL_SHARE_MS,
        ),
        Reading("the same, p99", percentile(whole, 0.99) * 1000, "ms"),
        Reading("CPU of solo for it", spent_s * 1000, "ms"),
        Reading(
            f"of it the simulator's own work ({STEPS} requests made directly)",
            STEPS * percentile([last for _, last in direct], 0.5) * 1000,
            "ms",
        ),
        Reading("added time to first token, p50", percentile(added, 0.5) * 1000, "ms"),
        Reading(
            "added time to first token, p99",
            percentile(added, 0.99) * 1000,
            "ms",
            GOAL_FIRST_MS,
        ),
    ]


def _collaborate(gateway: Connections, workflow: str) -> tuple[float, float]:
    """Seconds from sending the POST to the first token and to the terminal frame."""
    began = time.perf_counter()
    body = {"task": TASK, "workflow": workflow}
    given = gateway.post("/v1/collaborations", body, wanted=HTTPStatus.ACCEPTED)
    path = f"/v1/collaborations/{given['id']}/stream"
    events = list(gateway.events(path, cursor=given["cursor"]))
    kind, ended = events[-1]
    if kind != "collaboration.completed":
        raise ValueError(kind)
    first = next(at for kind, at in events if kind == "token")
    return first - began, ended - began


def _ask(model: Connections) -> tuple[float, float]:
    """The same request without us."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TASK}]
    body = {"model": "simulated", "stream": True, "messages": messages}
    return model.first_and_last("/v1/chat/completions", body)


@asynccontextmanager
async def solo_with_chain(model_url: str) -> AsyncIterator[SoloProcess]:
    """Solo with a workflow of ten steps beside the shipped ones."""
    with TemporaryDirectory(prefix="facilitair-bench-") as name:
        definitions = Path(name) / "definitions"
        for kind in ("agents", "models", "prompts", "workflows"):
            shutil.copytree(ROOT / kind, definitions / kind)
        (definitions / "workflows" / "chain.yaml").write_text(chain())
        solo = SoloProcess(
            Path(name) / "home",
            log=Path(name) / "solo.log",
            variables={
                "FACILITAIR_GATEWAY_DEFINITIONS": str(definitions),
                "FACILITAIR_PROVIDER": "openai",
                "FACILITAIR_MODEL": "simulated",
                "OPENAI_BASE_URL": f"{model_url}/v1",
            },
        )
        try:
            await solo.start()
            yield solo
        finally:
            await solo.stop()


def chain() -> str:
    """A workflow whose steps each wait for the one before."""
    lines = ["workflow: chain", "description: Ten answers in a row.", "output: s9", "steps:"]
    for number in range(STEPS):
        needs = f", needs: [s{number - 1}]" if number else ""
        lines.append(f'  - {{id: s{number}, agent: assistant, input: "{{{{ task }}}}"{needs}}}')
    return "\n".join(lines) + "\n"
