import pytest

from benchmarks.bench import Bench, Benchmark, opened
from benchmarks.measuring import measured
from benchmarks.readings import Reading


@pytest.fixture
def bench():
    with opened(quick=True) as made:
        yield made


def benchmark(name, taken, *, once=False, fails=False):
    def measure(given: Bench) -> list[Reading]:
        assert given.quick
        taken.append(name)
        if fails:
            raise FileNotFoundError(name)
        return [Reading(name, len(taken), "ms", 100)]

    return Benchmark(name, "about it", measure, takes_s=1, once=once)


def test_rounds_are_interleaved(bench):
    taken = []
    groups = measured(
        [benchmark("a", taken), benchmark("b", taken, once=True), benchmark("c", taken)],
        rounds=3,
        bench=bench,
        load_now=lambda: 0.25,
    )
    assert taken == ["a", "b", "c", "a", "c", "a", "c"]
    assert [len(group.readings) for group in groups] == [3, 1, 3]
    assert [group.loads for group in groups] == [[0.25] * 3, [0.25], [0.25] * 3]
    assert all(group.good for group in groups)


def test_one_that_cannot_be_measured_says_so_and_costs_the_others_nothing(bench, capsys):
    taken = []
    broken, fine = measured(
        [benchmark("broken", taken, fails=True), benchmark("fine", taken)], rounds=2, bench=bench
    )
    assert taken == ["broken", "fine", "fine"]
    assert broken.fault == "FileNotFoundError: broken"
    assert not broken.good
    assert fine.good
    assert "FileNotFoundError: broken" in capsys.readouterr().err


def test_a_missed_goal_is_not_good(bench):
    missed = Benchmark("m", "", lambda _: [Reading("x", 2, "ms", 1)], takes_s=1)
    (group,) = measured([missed], rounds=1, bench=bench)
    assert group.fault is None
    assert not group.good
    assert group.plain()["rows"][0]["met"] is False


def test_each_fresh_folder_is_another_one_and_gone_at_the_end():
    with opened(quick=False) as made:
        first, second = made.fresh(), made.fresh()
        assert first != second
        assert first.is_dir()
        assert made.pick(7, quick=1) == 7
    assert not first.exists()
