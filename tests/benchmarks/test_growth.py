"""Where a growing load stops to be carried, and what ends it."""

import pytest

from benchmarks.bench import opened
from benchmarks.growth import Level, knee, measure_collaborations, resource, streams_level
from benchmarks.readings import rows
from benchmarks.streams.load import Load
from benchmarks.streams.run import Run
from benchmarks.worker_memory import slope


def level(load, *, carried=True, machine=0.2, **cores):
    return Level(
        load=load,
        carried=carried,
        cores=cores or {"solo": 0.1},
        machine=machine,
        machine_cores=2,
    )


def test_the_knee_is_before_the_first_load_that_is_not_carried():
    levels = [level("1"), level("2"), level("4", carried=False, solo=0.97), level("8")]
    assert knee(levels) == ("2", "the one core that solo can use")


def test_loads_that_are_all_carried_have_no_knee():
    assert knee([level("1"), level("2")]) == ("2", "nothing among these loads")


def test_nothing_may_be_carried():
    assert knee([level("1", carried=False)])[0] == "none"


@pytest.mark.parametrize(
    ("machine", "cores", "told"),
    [
        (0.95, {"gateway": 0.5, "broker": 1.2}, "all cores of the machine (gateway 0.50, "),
        (0.95, {"gateway": 0.3, "broker": 0.2}, "other work on the machine"),
        (0.6, {"gateway": 0.93, "broker": 0.2}, "the one core that gateway can use"),
        (0.4, {"gateway": 0.3}, "no CPU: waiting for the log"),
    ],
)
def test_the_resource_that_ends_it_is_named(machine, cores, told):
    assert resource(level("x", machine=machine, **cores)).startswith(told)


@pytest.mark.parametrize(
    ("tokens", "tokens_per_s", "p99_ms", "carried"),
    [(400, 400, 20, True), (399, 400, 20, False), (400, 380, 20, False), (400, 400, 150, False)],
)
def test_a_load_of_streams_is_carried_when_it_comes_whole_in_time_and_not_late(
    tokens, tokens_per_s, p99_ms, carried
):
    run = Run(
        offered=400, sent=400, tokens=tokens, tokens_per_s=tokens_per_s, p50_ms=1, p99_ms=p99_ms,
        records=1, cpu={}, cores={}, machine=0.1,
    )  # fmt: skip
    load = Load(streams=20, tokens_per_s=400, seconds=1.0)
    assert streams_level(load, run).carried is carried


def test_growth_of_memory_is_a_slope_that_one_outlier_does_not_decide():
    samples = [(float(second), 50.0 + second / 600) for second in range(600)]
    assert slope(samples) * 600 == pytest.approx(1.0)
    samples[300] = (300.0, 80.0)
    assert slope(samples) * 600 == pytest.approx(1.0, abs=0.1)


@pytest.mark.integration
def test_users_of_solo_are_more_and_more():
    with opened(quick=True) as bench:
        found = [row.what for row in rows(measure_collaborations(bench))]
    assert found[0] == "1 at a time: 10-step collaborations/s"
    assert found[-1] == "users of solo: how many of these loads are carried"
    assert any(what.startswith("2 at a time") for what in found)
