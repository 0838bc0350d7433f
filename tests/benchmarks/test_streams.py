"""What is told of runs of many streams, and that tiny ones run from end to end."""

from dataclasses import replace

import pytest

from benchmarks.bench import opened
from benchmarks.counted import Requests
from benchmarks.readings import rows
from benchmarks.streams.load import Load, age_us, shares
from benchmarks.streams.measure import FULL, QUICK, WIDE, compared, told
from benchmarks.streams.run import Run, run_embedded, run_ours
from facilitair_testing.fleet import require_kafka

RUN = Run(
    offered=1000,
    sent=1000,
    tokens=1000,
    tokens_per_s=500.0,
    p50_ms=2.0,
    p99_ms=8.0,
    records=200,
    requests={"worker": Requests((10, *[0] * 127)), "gateway": Requests((0, 20, *[0] * 126))},
    cpu={"worker": 0.001, "gateway": 0.002, "broker": 0.003, "clients": 0.004},
    cores={},
    machine=0.5,
)


def by_name(readings):
    return {row.what.partition(": ")[2]: row for row in rows(readings)}


def test_cost_is_told_by_role_and_without_the_clients():
    found = by_name(told(WIDE, RUN, where="ours", goals=True))
    assert found["CPU per token without clients"].middle == pytest.approx(6.0)
    assert [found[f"of it {role}"].middle for role in ("worker", "gateway", "broker")] == (
        pytest.approx([1.0, 2.0, 3.0])
    )
    assert found["beside it the clients"].middle == pytest.approx(4.0)
    assert found["records/s"].middle == pytest.approx(100)
    assert found["produce requests/s"].middle == pytest.approx(5)
    assert found["fetch requests/s of the gateway"].middle == pytest.approx(10)


@pytest.mark.parametrize("where", ["ours", "naive"])
def test_a_lost_token_misses_a_goal_whoever_loses_it(where):
    lost = replace(RUN, tokens=999)
    row = by_name(told(FULL, lost, where=where, goals=False))["tokens sent and not received"]
    assert row.met is False
    assert row.note == "999 received of 1,000 sent"


def test_only_the_loads_that_the_design_names_have_goals_for_ratios():
    def goals(load):
        found = by_name(compared(load, ours=RUN, naive=RUN))
        return {name: row.goal for name, row in found.items() if "naive" in name and row.goal}

    assert goals(FULL) == {"ours / naive, tokens/s": 15.0}
    assert goals(WIDE) == {
        "ours / naive, p99": 0.4,
        "ours / naive, CPU per token without clients": 0.6,
    }
    assert goals(QUICK) == {}


def test_the_ratios_are_of_ours_to_the_naive_build():
    naive = replace(RUN, tokens_per_s=25.0, p99_ms=32.0, cpu={"worker": 0.012, "clients": 9.0})
    found = by_name(compared(FULL, ours=RUN, naive=naive))
    assert found["ours / naive, tokens/s"].middle == pytest.approx(20)
    assert found["ours / naive, tokens/s"].met is True
    assert found["ours / naive, p99"].middle == pytest.approx(0.25)
    assert found["ours / naive, CPU per token without clients"].middle == pytest.approx(0.5)


def test_tokens_are_dealt_to_the_streams_in_turn():
    load = Load(streams=3, tokens_per_s=1, seconds=1.0)
    assert sorted(shares(load, first=4, last=9)) == [(0, 1), (1, 2), (2, 2)]
    assert sum(count for _, count in shares(load, first=0, last=1000)) == 1000


def test_an_age_is_right_across_the_wrap_of_stamps():
    assert age_us(9_999_990, now=10_000_005) == 15


@pytest.mark.integration
def test_every_token_comes_through_the_embedded_log(tmp_path):
    load = Load(streams=3, tokens_per_s=300, seconds=0.5)
    run = run_embedded(load, home=tmp_path)
    assert run.sent == run.tokens == run.offered
    assert 0 < run.records <= run.sent
    assert set(run.cpu) == {"solo", "clients"}


@pytest.mark.integration
def test_every_token_comes_through_kafka_and_requests_are_counted():
    require_kafka()
    load = Load(streams=3, tokens_per_s=300, seconds=0.5)
    with opened(quick=True) as bench:
        run = run_ours(load, bench.kafka(), home=bench.fresh())
        assert run.sent == run.tokens == run.offered
        assert set(run.cpu) == {"worker", "gateway", "broker", "clients"}
        # A request carries what is there of all streams: never more of them than tokens.
        assert 0 < run.requests["worker"].produce <= run.records
        assert run.requests["worker"].fetch == 0
        assert run.requests["gateway"].fetch > 0
        assert run.requests["gateway"].produce == 0
