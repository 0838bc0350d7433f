"""Nobody dies by accident: what cannot be armed is refused before anything starts."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

SERVICES = (
    "facilitair_gateway",
    "facilitair_orchestrator",
    "facilitair_agent_worker",
    "facilitair_accounts",
)


def started(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("module", SERVICES)
def test_a_service_refuses_to_die_where_nobody_tests(module, tmp_path):
    ran = started(module, FACILITAIR_HOME=str(tmp_path), FACILITAIR_CRASH_AT="after_claim")
    assert ran.returncode == 2
    assert "FACILITAIR_CRASH_AT kills processes: it needs FACILITAIR_TESTING=1" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_all_faults_are_told_at_once_with_those_of_other_settings(tmp_path):
    ran = started(
        "facilitair_orchestrator",
        FACILITAIR_HOME=str(tmp_path),
        FACILITAIR_CRASH_AT="nowhere:none",
        FACILITAIR_ORCHESTRATOR_REDUCER__MAX_RECORDS="0",
    )
    assert ran.returncode == 2
    assert "needs FACILITAIR_TESTING=1" in ran.stderr
    assert "there is no point 'nowhere'; there are before_requested_acked," in ran.stderr
    assert "must be 1 or more, not 'none'" in ran.stderr
    assert "FACILITAIR_ORCHESTRATOR_REDUCER__MAX_RECORDS" in ran.stderr


def test_solo_refuses_too(tmp_path):
    ran = started(
        "facilitair_cli",
        "up",
        FACILITAIR_HOME=str(tmp_path),
        FACILITAIR_TESTING="0",
        FACILITAIR_CRASH_AT="after_claim",
    )
    assert ran.returncode != 0
    assert ran.stderr.count("it needs FACILITAIR_TESTING=1") == 1
    assert not (tmp_path / "log" / "log.db").exists()
