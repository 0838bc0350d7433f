"""The gateway as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration


def spawn(home: Path, **more: str) -> subprocess.Popen[str]:
    names = ("OPENAI_", "OLLAMA_", "FACILITAIR_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    environ |= {"FACILITAIR_HOME": str(home), "FACILITAIR_GATEWAY_PORT": "0"} | more
    return subprocess.Popen(
        [sys.executable, "-m", "facilitair_gateway"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_it_serves_until_sigterm_and_leaves_nothing_behind(tmp_path) -> None:
    process = spawn(
        tmp_path,
        FACILITAIR_GATEWAY_SIMULATOR_URL="http://127.0.0.1:9",
        FACILITAIR_GATEWAY_REQUEST_TIMEOUT_S="0.2",
        FACILITAIR_MODEL="simulated",
    )
    try:

        async def answers() -> str | None:
            assert process.poll() is None, process.communicate()[1]
            path = tmp_path / "run" / "gateway.json"
            if not path.exists():
                return None
            url = str(json.loads(path.read_text())["url"])
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                return url if (await http.get("/v1/workflows")).status_code == 200 else None

        url = await eventually(answers, timeout_s=60, what="the gateway to answer")
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            response = await http.post("/v1/collaborations", json={"task": "x"})
            assert (response.status_code, response.json()["status"]) == (202, "queued")
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert list((tmp_path / "run").iterdir()) == []


def test_without_a_provider_it_says_what_to_set(tmp_path) -> None:
    process = spawn(tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "OPENAI_API_KEY" in errors
    assert "Traceback" not in errors
