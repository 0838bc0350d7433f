"""Whole systems under measurement: solo and a fleet, with a workflow of ten steps more."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import ROOT
from facilitair_testing.fleet import FleetProcess
from facilitair_testing.solo import SoloProcess

STEPS = 10
AT_ONCE = {"FACILITAIR_SIMULATOR_TTFT_MS": "0", "FACILITAIR_SIMULATOR_TOKENS_PER_S": "0"}
FLEET = {"gateway": 1, "accounts": 1, "orchestrator": 1, "agent-worker": 1}
_FOR_TESTS = (
    "FACILITAIR_ORCHESTRATOR_REDUCER__SCAN_INTERVAL_S",
    "FACILITAIR_AGENT_WORKER_LEASE_S",
    "KAFKA_SESSION_TIMEOUT_S",
)
"""What fleets of tests are told so that failures show soon; here the defaults are measured."""


@asynccontextmanager
async def solo_with_chain(model_url: str) -> AsyncIterator[SoloProcess]:
    """Solo with a workflow of ten steps beside the shipped ones."""
    with TemporaryDirectory(prefix="facilitair-bench-") as name:
        solo = SoloProcess(
            Path(name) / "home",
            log=Path(name) / "solo.log",
            variables=_variables(model_url, Path(name) / "definitions"),
        )
        try:
            await solo.start()
            yield solo
        finally:
            await solo.stop()


@contextmanager
def fleet_with_chain(model_url: str, *, home: Path) -> Iterator[FleetProcess]:
    """A fleet with that workflow and with the settings that users get."""
    variables = _variables(model_url, home.with_name(f"{home.name}-definitions"))
    fleet = FleetProcess(home, scale=FLEET, variables=variables)
    for name in _FOR_TESTS:
        del fleet.environment[name]
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.terminate()


def _variables(model_url: str, definitions: Path) -> dict[str, str]:
    for kind in ("agents", "models", "prompts", "workflows"):
        shutil.copytree(ROOT / kind, definitions / kind)
    (definitions / "workflows" / "chain.yaml").write_text(chain())
    return {
        "FACILITAIR_GATEWAY_DEFINITIONS": str(definitions),
        "FACILITAIR_PROVIDER": "openai",
        "FACILITAIR_MODEL": "simulated",
        "OPENAI_BASE_URL": f"{model_url}/v1",
    }


def chain() -> str:
    """A workflow whose steps each wait for the one before."""
    lines = ["workflow: chain", "description: Ten answers in a row.", "output: s9", "steps:"]
    for number in range(STEPS):
        needs = f", needs: [s{number - 1}]" if number else ""
        lines.append(f'  - {{id: s{number}, agent: assistant, input: "{{{{ task }}}}"{needs}}}')
    return "\n".join(lines) + "\n"
