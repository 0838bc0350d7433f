"""Tiny runs of what costs a worker a chunk, and of what starts."""

import os
import sys

import pytest

from benchmarks import open_collaborations, worker_chunks
from benchmarks.bench import opened
from benchmarks.counted import Requests, read_counts
from benchmarks.model_clients import measure as model_clients
from benchmarks.processes import Shares, rss_kb

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def provider():
    with model_clients.paced_provider(tokens=5, tokens_per_s=500.0) as url:
        yield url


@pytest.mark.parametrize("dialect", model_clients.DIALECTS)
def test_each_dialect_of_ours_reads_every_piece(provider, dialect):
    arguments = ("benchmarks.model_clients.ours", provider, "3", dialect)
    assert model_clients.spent_us(sys.executable, arguments, wanted=15) > 0


def test_a_piece_that_is_missing_is_an_error(provider):
    arguments = ("benchmarks.model_clients.ours", provider, "3", "openai-chat")
    with pytest.raises(ValueError, match="chunks"):
        model_clients.spent_us(sys.executable, arguments, wanted=16)


async def test_the_whole_worker_reports_every_call(provider, tmp_path):
    assert await worker_chunks.embedded_us(provider, tmp_path, streams=3) > 0


def test_an_import_is_measured_in_an_interpreter_of_its_own():
    bare_s, bare_mb = model_clients.imported(sys.executable, (), times=1)
    loaded_s, loaded_mb = model_clients.imported(sys.executable, ("decimal", "json"), times=1)
    assert 0 <= bare_s < loaded_s
    assert 0 < bare_mb < loaded_mb


async def test_an_orchestrator_starts_with_what_is_open(tmp_path):
    system = open_collaborations.on_embedded_log(tmp_path)
    found = await open_collaborations.readings(system, tmp_path, count=3, times=1)
    assert [reading.what.partition(": ")[2] for reading in found] == [
        "start without any collaboration, process to ready",
        "start without any collaboration, memory when ready",
        "start with 3 open, process to ready",
        "start with 3 open, memory when ready",
        "opening 3, from its start on",
    ]
    assert await system.events() == open_collaborations.EVENTS * 3


def test_nothing_is_counted_before_a_program_began(tmp_path):
    assert read_counts(tmp_path / "none").all == 0
    assert (Requests((3,) * 128) - Requests((1,) * 128)).produce == 2


def test_shares_of_cores_are_those_of_the_process_that_is_busy():
    shares = Shares({"me": os.getpid()})
    sum(range(3_000_000))
    taken, machine = shares.taken()
    assert taken["me"] > 0
    assert machine >= 0
    assert rss_kb(os.getpid()) > 10_000


def test_a_bench_starts_one_broker_for_all(monkeypatch):
    started = []

    class Broker:
        def __enter__(self):
            started.append(self)
            return self

        def __exit__(self, *_):
            started.append(None)

    monkeypatch.setattr("benchmarks.bench.own_broker", lambda _folder: Broker())
    with opened(quick=True) as bench:
        assert bench.kafka() is bench.kafka()
        assert len(started) == 1
    assert started[-1] is None
