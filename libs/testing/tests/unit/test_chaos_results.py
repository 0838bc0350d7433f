"""When a run proves nothing, and what its table shows."""

import math

import pytest
from msgspec.structs import replace

from facilitair_testing.chaos.faults import Fault, Landed
from facilitair_testing.chaos.recovery import Pulse, Wait, percentiles
from facilitair_testing.chaos.results import Breach, Result, table


def landed(kind="kill", *, evidence="died", missing=False):
    fault = Fault(kind=kind, target="everybody", after_s=0)
    reason = None if evidence else "needs a disk"
    return Landed(
        fault=fault, began_s=0, healed_s=1, evidence=evidence, reason=reason, missing=missing
    )


WAITS = tuple(Wait(fault=n % 2, waited_s=s) for n, s in enumerate((1.0, 2.0, 3.0)))
GOOD = Result(
    seed=7, system="solo", load="L0", planned=10, faults=(landed(),) * 10, submitted=40,
    accepted=40, terminal=40, finished=1.0, violations=(), waits=WAITS, unanswered=0,
    duration_s=12.4, ends={"completed": 40},
)  # fmt: skip
BREACH = Breach(rule="R12", key="t:c", text="a gap")


def test_a_run_with_enough_faults_and_load_passes():
    assert GOOD.passed
    assert GOOD.verdict == "ok"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"faults": (landed(),) * 9}, "void"),
        ({"faults": (landed(),) * 9 + (landed(evidence=None),)}, "void"),
        ({"finished": 0.89}, "void"),
        ({"violations": (BREACH,)}, "violated"),
        ({"terminal": 39}, "failed"),
        ({"trouble": ("a client was refused",)}, "failed"),
        ({"unanswered": 1}, "failed"),
    ],
)
def test_a_run_that_proves_nothing_or_something_bad_does_not_pass(change, verdict):
    result = replace(GOOD, **change)
    assert not result.passed
    assert result.verdict == verdict


def test_a_fault_that_found_nobody_waiting_was_not_in_flight():
    faults = tuple(replace(landed(), in_flight=n % 2) for n in range(10))
    assert replace(GOOD, faults=faults).in_flight == 5
    many = tuple(replace(one, hurt=4) for one in faults)
    assert replace(GOOD, faults=many).in_flight == 20
    assert replace(GOOD, faults=faults, least_in_flight=5).passed
    assert replace(GOOD, faults=faults, least_in_flight=6).verdict == "void"


def test_what_the_machine_cannot_do_is_named():
    result = replace(GOOD, faults=(*GOOD.faults, landed("disk_full", evidence=None, missing=True)))
    assert result.impossible == ("disk_full: needs a disk",)
    assert result.landed == {"kill": 10}


def test_the_table_has_a_line_for_each_run_and_one_for_all():
    lines = table([GOOD, replace(GOOD, seed=8, violations=(BREACH,))]).splitlines()
    assert len(lines) == 5
    assert (
        "| 7 | solo | L0 | 10/10: kill 10 | 40 | 40 | 40 | 0 | 2.0 s | 2.9 s | 12 s | ok |" in lines
    )
    assert lines[3].endswith("| violated |")
    assert lines[4].startswith("| all | solo | L0 | 20/20: kill 20 | 80 | 80 | 80 | 1 |")
    assert lines[4].endswith("| 1 of 2 ok |")


def test_the_slowest_recovery_is_named():
    fault, p95_s = GOOD.slowest
    assert fault == str(GOOD.faults[0].fault)
    assert p95_s == pytest.approx(2.9)
    assert replace(GOOD, waits=()).slowest == ("", 0.0)


def test_a_viewer_waits_from_the_end_of_a_fault_to_its_next_event():
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    pulse.begins("a")
    pulse.begins("b")
    pulse.over(0)
    now[0] = 2.0
    pulse.beats("a")
    pulse.over(1)
    now[0] = 5.0
    pulse.beats("a")
    pulse.ends("a")
    pulse.over(2)
    waits = [(wait.fault, wait.waited_s) for wait in pulse.waits]
    assert waits == [(0, 2.0), (1, 3.0)]
    assert pulse.unanswered() == 3


def test_percentiles_of_little():
    assert all(map(math.isnan, percentiles([])))
    assert percentiles([2.0]) == (2.0, 2.0)
