import multiprocessing
import shutil
from pathlib import Path

import pytest

from facilitair_native.cache import cache_folder, finished_folder, is_intact
from facilitair_native.errors import CacheError


def fill(folder):
    (folder / "a.jar").write_bytes(b"a" * 1000)
    (folder / "deep").mkdir()
    (folder / "deep" / "b.jar").write_bytes(b"b")


class Counting:
    def __init__(self):
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        fill(folder)


def test_a_folder_is_filled_once(tmp_path):
    filling = Counting()
    folders = {finished_folder(tmp_path, "kafka-1", fill=filling) for _ in range(3)}
    assert filling.calls == 1
    (folder,) = folders
    assert (folder / "deep" / "b.jar").read_bytes() == b"b"
    assert is_intact(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "a.jar").write_bytes(b"a" * 999 + b"x"),
        lambda folder: (folder / "a.jar").write_bytes(b""),
        lambda folder: (folder / "deep" / "b.jar").unlink(),
        lambda folder: (folder / "stranger.jar").write_bytes(b""),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        shutil.rmtree,
    ],
    ids=["changed", "truncated", "missing", "added", "no manifest", "half a manifest", "gone"],
)
def test_a_damaged_folder_is_filled_again(tmp_path, damage):
    filling = Counting()
    folder = finished_folder(tmp_path, "kafka-1", fill=filling)
    damage(folder)
    assert not is_intact(folder)
    assert finished_folder(tmp_path, "kafka-1", fill=filling) == folder
    assert filling.calls == 2
    assert is_intact(folder)


def test_a_failure_leaves_nothing_behind_and_the_next_try_works(tmp_path):
    def fail(folder):
        fill(folder)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        finished_folder(tmp_path, "kafka-1", fill=fail)
    assert [path.name for path in (tmp_path / "native").iterdir()] == ["kafka-1.lock"]
    assert is_intact(finished_folder(tmp_path, "kafka-1", fill=fill))


def fill_and_count(folder):
    with (folder.parents[1] / "fills").open("a") as fills:
        fills.write("x")
    fill(folder)


def fetch(cache, barrier):
    barrier.wait(120)
    assert is_intact(finished_folder(cache, "kafka-1", fill=fill_and_count))


def test_processes_at_once_fill_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    processes = [context.Process(target=fetch, args=(tmp_path, barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 4
    assert (tmp_path / "fills").read_text() == "x"


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "native").write_text("a file")
    with pytest.raises(CacheError, match="FACILITAIR_CACHE"):
        finished_folder(tmp_path, "kafka-1", fill=fill)


def test_the_cache_is_where_the_environment_says(tmp_path):
    assert cache_folder({"FACILITAIR_CACHE": str(tmp_path)}) == tmp_path
    assert cache_folder({}) == Path.home() / ".cache" / "facilitair"
    assert cache_folder({"FACILITAIR_CACHE": ""}) == Path.home() / ".cache" / "facilitair"
