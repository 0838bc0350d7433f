"""Real processes, real signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from facilitair_events.layout import checkout_root
from facilitair_testing.eventually import eventually
from libs.runtime.tests import histories, ledger

pytestmark = pytest.mark.integration


def _start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "libs.runtime.tests.ledger_process", *arguments],
        cwd=checkout_root(),
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("acked", [1, 5, 40, 200])
async def test_sigkill_loses_nothing_and_forks_nothing(tmp_path, open_log, acked):
    process = _start("reduce", str(tmp_path / "log.db"))
    offsets = [int(process.stdout.readline()) for _ in range(acked)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()
    async with open_log() as log:
        inbox = await histories.records(log, ledger.INBOX)
        assert {record.offset for record in inbox} >= set(offsets)
        await histories.check_commits(log)
        await histories.finish(log)


async def _announced(home: Path) -> dict:
    path = home / "run" / "ledger.ops.json"
    await eventually(path.exists, timeout_s=60, what="the service to be up")
    return json.loads(path.read_text())


async def test_a_service_announces_itself_answers_and_stops_in_order(tmp_path):
    process = _start("service", FACILITAIR_HOME=str(tmp_path))
    told = await _announced(tmp_path)
    assert told["pid"] == process.pid
    async with aiohttp.ClientSession() as session, session.get(f"{told['url']}/ready") as response:
        assert response.status == 200
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.split() == ["drained", "closed"]
    assert not (tmp_path / "run" / "ledger.ops.json").exists()


async def test_a_service_that_takes_too_long_is_cut_off(tmp_path):
    process = _start(
        "service",
        FACILITAIR_HOME=str(tmp_path),
        FACILITAIR_LEDGER_DRAIN_S="60",
        FACILITAIR_LEDGER_PROCESS__GRACE_S="1.2",
        FACILITAIR_LEDGER_PROCESS__RESERVE_S="1",
    )
    await _announced(tmp_path)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.split() == ["closed"]
    assert "work cut off" in errors


async def test_a_second_signal_does_not_wait(tmp_path):
    process = _start(
        "service", FACILITAIR_HOME=str(tmp_path), FACILITAIR_LEDGER_DRAIN_S="60",
    )  # fmt: skip
    await _announced(tmp_path)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # two of one kind may arrive as one
    process.communicate(timeout=60)
    assert process.returncode in {0, 1}


async def test_a_second_process_on_one_log_is_refused_with_the_pid(tmp_path):
    first = _start("service", FACILITAIR_HOME=str(tmp_path))
    await _announced(tmp_path)
    second = _start("service", FACILITAIR_HOME=str(tmp_path))
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 3
    assert str(first.pid) in errors
    first.terminate()
    first.communicate(timeout=60)


async def test_a_service_that_fails_ends_with_1_and_says_why(tmp_path):
    process = _start("service", FACILITAIR_HOME=str(tmp_path), FACILITAIR_LEDGER_FAILS="true")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "WantedError" in errors


async def test_wrong_settings_end_with_2_and_all_faults(tmp_path):
    process = _start(
        "service",
        FACILITAIR_HOME=str(tmp_path),
        FACILITAIR_LEDGER_DRAIN_S="soon",
        FACILITAIR_LEDGER_DRIAN_S="1",
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "FACILITAIR_LEDGER_DRAIN_S: " in errors
    assert "did you mean FACILITAIR_LEDGER_DRAIN_S?" in errors
    assert "Traceback" not in errors
