"""What the launcher makes of answers to /live, and what becomes of a process that gives none."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from facilitair_cli import solo
from facilitair_cli.announcements import find
from facilitair_cli.app import run_command
from facilitair_cli.fleet.keeping import Keeper
from facilitair_cli.fleet.members import Member
from facilitair_cli.fleet.wedges import Verdict, end_wedged
from facilitair_cli.probing import SILENT, Probed, Reason, probe
from facilitair_cli.state_folder import StateFolder, prepare
from facilitair_runtime.supervisor_settings import SupervisorSettings
from facilitair_runtime.watchdog import EXIT_CODE
from facilitair_testing.eventually import eventually

SETTINGS = SupervisorSettings(probe_s=2, failing_s=10, unanswered_s=60)
WELL = Probed(answered=True, holds=True)
STUCK = Reason(condition="no_progress", detail="3 records wait", since="2026-01-01T00:00:00.000Z")
ILL = Probed(answered=True, holds=False, failing=(STUCK,))

SERVICE = """
import asyncio, os, sys
from pathlib import Path
from facilitair_runtime.adapters.run_files import announced
from facilitair_runtime.health import serve_health
from facilitair_runtime.liveness import Beat
from facilitair_testing.vitals import vitals

class App:
    vitals = vitals(beats=lambda: (Beat(loop="inbox", moved_at=MOVED_AT),))

async def main():
    home = Path(os.environ["FACILITAIR_HOME"])
    async with serve_health("gateway", lambda: App()) as url:
        with announced(home, "gateway-0.ops", url=url):
            await asyncio.Event().wait()

asyncio.run(main())
"""


class Script(Member, frozen=True, kw_only=True):
    """A member whose process the test writes."""

    program: str

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", self.program]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
    made = StateFolder(tmp_path / "home")
    prepare(made)
    return made


def judged(*answers: tuple[float, Probed], settings=SETTINGS) -> list[float]:
    """When the verdict was to end the process."""
    verdict = Verdict(settings)
    return [at for at, probed in answers if verdict.hear(probed, now=at) is not None]


def test_a_process_that_says_it_is_not_live_has_ten_seconds() -> None:
    answers = [(float(at), ILL) for at in range(0, 20, 2)]
    assert judged(*answers)[0] == 10
    assert "is not live for 10 s: 3 records wait (since 2026" in (_last(answers[:6]) or "")


def test_a_process_that_does_not_answer_has_a_minute() -> None:
    answers = [(float(at), SILENT) for at in range(0, 100, 4)]
    assert judged(*answers)[0] == 60
    assert _last(answers[:16]) == "does not answer for 60 s"


def _last(answers) -> str | None:
    verdict = Verdict(SETTINGS)
    return [verdict.hear(probed, now=at) for at, probed in answers][-1]


def test_one_good_answer_forgives_all_before_it() -> None:
    rounds = [(float(at), WELL if at % 8 == 0 else ILL) for at in range(0, 200, 2)]
    assert judged(*rounds) == []
    silences = [(float(at), WELL if at % 40 == 0 else SILENT) for at in range(0, 400, 4)]
    assert judged(*silences) == []


def test_silence_within_a_session_ends_nothing() -> None:
    answers = [(float(at), SILENT) for at in range(0, 45, 4)]
    assert judged(*answers, (48.0, WELL)) == []


def test_a_launcher_that_stood_still_itself_has_seen_nothing() -> None:
    assert judged((0.0, SILENT), (500.0, SILENT), (502.0, WELL)) == []
    assert judged((0.0, ILL), (500.0, ILL), (502.0, WELL)) == []


def test_another_process_begins_with_a_clean_sheet() -> None:
    verdict = Verdict(SETTINGS)
    for at in range(0, 10, 2):
        assert verdict.hear(ILL, now=at) is None
    verdict.forget()
    assert verdict.hear(ILL, now=12) is None


def test_the_patience_is_a_setting() -> None:
    quick = SupervisorSettings(probe_s=2, failing_s=2, unanswered_s=4)
    assert judged((0.0, ILL), (2.0, ILL), settings=quick) == [2]
    assert judged((0.0, SILENT), (4.0, SILENT), settings=quick) == [4]


async def kept(folder, program: str, *, settings: SupervisorSettings, body) -> list[str]:
    """Run a keeper with its watch around ``body``; what was told."""
    told: list[str] = []
    member = Script(service="gateway", number=0, environ={}, program=program)
    keeper = Keeper(member, logs=folder.logs, home=folder.root, tell=told.append)
    tasks = [
        asyncio.create_task(keeper.run()),
        asyncio.create_task(end_wedged(folder, [keeper], settings=settings, tell=told.append)),
    ]
    try:
        await body(keeper)
    finally:
        tasks[1].cancel()
        keeper.kill()
        await asyncio.wait(tasks)
    return told


def is_announced(folder: StateFolder, keeper: Keeper) -> bool:
    found = find(folder.ops("gateway-0"))
    return found is not None and keeper.pid is not None and found.pid == keeper.pid


@pytest.mark.integration
async def test_i14_a_process_that_was_stopped_is_killed_and_started_again(folder) -> None:
    settings = SupervisorSettings(probe_s=0.1, failing_s=600, unanswered_s=3)

    async def body(keeper: Keeper) -> None:
        await eventually(lambda: is_announced(folder, keeper), timeout_s=60)
        before = keeper.pid
        assert before is not None
        os.kill(before, signal.SIGSTOP)
        await eventually(
            lambda: keeper.pid != before and is_announced(folder, keeper), timeout_s=60
        )

    told = await kept(folder, SERVICE.replace("MOVED_AT", "None"), settings=settings, body=body)
    assert any("gateway-0 does not answer for" in line for line in told)
    assert any("started again" in line for line in told)


@pytest.mark.integration
async def test_i14_a_process_that_says_it_is_wedged_is_killed_with_its_stacks(folder) -> None:
    settings = SupervisorSettings(probe_s=0.1, failing_s=0.5, unanswered_s=600)
    program = "import faulthandler; faulthandler.enable()\n" + SERVICE.replace("MOVED_AT", "0.0")

    async def body(keeper: Keeper) -> None:
        await eventually(lambda: keeper.restarts > 0, timeout_s=60)
        assert "Fatal Python error: Aborted" in keeper.log_file.read_text()

    told = await kept(folder, program, settings=settings, body=body)
    assert any("gateway-0 is not live" in line and "loop of inbox" in line for line in told)


@pytest.mark.integration
async def test_status_and_doctor_say_why_something_is_not_live(folder, capsys) -> None:
    settings = SupervisorSettings(probe_s=600)
    program = SERVICE.replace("MOVED_AT", "0.0")

    async def body(keeper: Keeper) -> None:
        await eventually(lambda: is_announced(folder, keeper), timeout_s=60)
        found = find(folder.ops("gateway-0"))
        assert found is not None
        assert probe(found.url, "/ready").holds
        assert not probe(found.url, "/live").holds
        assert await asyncio.to_thread(run_command, ["status"]) == 1
        assert await asyncio.to_thread(run_command, ["doctor"]) == 1

    await kept(folder, program, settings=settings, body=body)
    told = capsys.readouterr().out
    assert "gateway-0      not live" in told
    assert told.count("the loop of inbox has not moved for") == 2
    assert "fail  gateway-0" in told
    assert "its log is" in told


def test_nobody_there_is_no_answer() -> None:
    assert probe("http://127.0.0.1:9", "/live") == SILENT
    assert SILENT.why == "it does not answer within 2 s"


_BLOCKED_SOLO = """
import sys, time
from facilitair_cli import solo, solo_process

async def serve(*_args, **_options):
    time.sleep(600)

solo.serve = serve
sys.argv = ["solo", "--port", "0"]
solo_process.main()
"""


@pytest.mark.integration
def test_a_solo_whose_loop_is_blocked_ends_and_tells_where(folder) -> None:
    environ = {
        **os.environ,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_API_KEY": "none",
        "FACILITAIR_MODEL": "m",
        "FACILITAIR_SUPERVISOR_UNANSWERED_S": "0.5",
    }
    ran = subprocess.run(
        [sys.executable, "-c", _BLOCKED_SOLO],
        env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == EXIT_CODE, ran.stderr
    assert "the event loop has been blocked for 0.5 s" in ran.stderr
    assert "in serve" in ran.stderr
    assert find(folder.solo) is None


async def test_solo_restarts_a_wedged_service_when_it_is_told(folder, monkeypatch) -> None:
    class AskedError(Exception):
        pass

    def supervise(*_args, policy, **_options):
        assert policy.failing_s == 3
        raise AskedError

    monkeypatch.setenv("FACILITAIR_SUPERVISOR_FAILING_S", "3")
    monkeypatch.setattr(solo, "supervise", supervise)
    settings = solo.read_settings(port=0)
    endpoints = solo.read_endpoints(os.environ, simulator_url="http://127.0.0.1:9")
    with pytest.raises(AskedError):
        await solo.serve(settings, endpoints, stop=asyncio.Event(), on_ready=print)
