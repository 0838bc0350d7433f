import os
import signal
import subprocess
import sys

import pytest

from facilitair_messaging.crash_points import (
    CRASH_AT,
    POINTS,
    TESTING,
    arm,
    arm_from,
    crash_point,
    disarm,
    marker,
    spec_faults,
)
from facilitair_messaging.errors import CrashSpecError
from facilitair_observability.correlation import serving


@pytest.fixture(autouse=True)
def _disarmed():
    disarm()
    yield
    disarm()


@pytest.fixture
def deaths():
    return []


def test_unarmed_a_point_does_nothing(tmp_path):
    for name, services in POINTS.items():
        for service in services:
            with serving(service):
                crash_point(name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [1, 2, 5])
def test_it_dies_at_the_nth_reach_and_not_before(n, tmp_path, deaths):
    spec = "before_commit" if n == 1 else f"before_commit:{n}"
    arm(spec, home=tmp_path, die=lambda: deaths.append(1))
    path = marker(tmp_path, service="orchestrator", point="before_commit")
    with serving("orchestrator"):
        for _ in range(n - 1):
            crash_point("before_commit")
        assert (deaths, path.exists()) == ([], False)
        crash_point("before_commit")
        assert (deaths, path.exists()) == ([1], True)
        crash_point("before_commit")
    assert deaths == [1]


def test_services_of_one_process_count_apart(tmp_path, deaths):
    arm("after_decode:2", home=tmp_path, die=lambda: deaths.append(1))
    for service in ("orchestrator", "agent-worker", "orchestrator"):
        with serving(service):
            crash_point("after_decode")
    assert [path.name for path in (tmp_path / "run/crashed").iterdir()] == [
        "orchestrator.after_decode"
    ]
    assert deaths == [1]


def test_a_named_service_is_the_only_one(tmp_path, deaths):
    arm("gateway/before_reply", home=tmp_path, die=lambda: deaths.append(1))
    with serving("orchestrator"):
        crash_point("before_reply")
    assert deaths == []
    with serving("gateway"):
        crash_point("before_reply")
    assert deaths == [1]


def test_another_point_a_foreign_service_and_none_at_all_are_passed(tmp_path, deaths):
    arm("after_decode", home=tmp_path, die=lambda: deaths.append(1))
    with serving("orchestrator"):
        crash_point("after_decide")
    with serving("gateway"):
        crash_point("after_decode")
    crash_point("after_decode")
    assert deaths == []


def test_a_marker_that_is_there_disarms(tmp_path, deaths):
    path = marker(tmp_path, service="agent-worker", point="after_claim")
    path.parent.mkdir(parents=True)
    path.touch()
    arm("after_claim", home=tmp_path, die=lambda: deaths.append(1))
    with serving("agent-worker"):
        crash_point("after_claim")
    assert deaths == []


def test_of_two_processes_one_dies(tmp_path, deaths):
    arm("after_claim", home=tmp_path, die=lambda: deaths.append(1))
    path = marker(tmp_path, service="agent-worker", point="after_claim")
    path.parent.mkdir(parents=True)
    path.touch()
    with serving("agent-worker"):
        crash_point("after_claim")
    assert deaths == []


def test_the_real_death_is_sigkill_and_leaves_the_marker(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from facilitair_messaging.crash_points import arm, crash_point\n"
        "from facilitair_observability.correlation import serving\n"
        "arm('first_token:2', home=Path(sys.argv[1]))\n"
        "with serving('agent-worker'):\n"
        "    crash_point('first_token'); print('once', flush=True); crash_point('first_token')\n"
        "print('still here')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert ran.stdout.startswith("once\n")
    assert "still here" not in ran.stdout
    path = marker(tmp_path, service="agent-worker", point="first_token")
    assert int(path.read_text()) > 1


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nowhere", "there is no point 'nowhere'; there are before_requested_acked, "),
        ("gateway/after_claim", "'gateway' has no point after_claim; agent-worker has it"),
        ("/after_claim", "'' has no point after_claim"),
        ("after_claim:0", "must be 1 or more, not '0'"),
        ("after_claim:", "must be 1 or more, not ''"),
        ("after_claim:-1", "must be 1 or more, not '-1'"),
        ("after_claim:two", "must be 1 or more, not 'two'"),
    ],
)
def test_a_spec_that_names_nothing_is_refused(spec, told, tmp_path):
    with pytest.raises(CrashSpecError, match="FACILITAIR_CRASH_AT") as refused:
        arm(spec, home=tmp_path)
    assert told in str(refused.value)


def test_all_that_is_wrong_is_told_at_once():
    faults = spec_faults({CRASH_AT: "nowhere:0", TESTING: "yes"})
    assert len(faults) == 4
    assert f"{TESTING} must be 1, 0 or unset, not 'yes'" in faults
    assert f"{CRASH_AT} kills processes: it needs {TESTING}=1; unset it" in faults


@pytest.mark.parametrize("environ", [{}, {CRASH_AT: ""}, {TESTING: "1"}, {TESTING: "0"}])
def test_nothing_asked_for_is_no_fault_and_arms_nothing(environ, tmp_path, deaths):
    assert spec_faults(environ) == []
    arm_from(environ, home=tmp_path)
    with serving("agent-worker"):
        crash_point("after_claim")


@pytest.mark.parametrize("testing", [{}, {TESTING: ""}, {TESTING: "0"}])
def test_it_is_refused_where_nobody_tests(testing, tmp_path):
    with pytest.raises(CrashSpecError, match="needs FACILITAIR_TESTING=1"):
        arm_from({CRASH_AT: "after_claim", **testing}, home=tmp_path)


def test_the_environment_arms(tmp_path):
    child = os.fork()
    if child == 0:
        arm_from({CRASH_AT: "after_claim", TESTING: "1"}, home=tmp_path)
        with serving("agent-worker"):
            crash_point("after_claim")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
