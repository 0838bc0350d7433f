"""What libraries say over and over is written now and then, with how often it was said."""

import io
import json
import logging

import pytest
import structlog

from facilitair_observability.logs import configure
from facilitair_observability.repeats import INTERVAL_S, LEFT_OUT, Repeats


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def record(text="Unable connect to node %s", *arguments, name="client", level=logging.ERROR):
    return logging.LogRecord(name, level, "file", 1, text, arguments, None)


def test_a_line_passes_once_per_interval_and_says_how_many_did_not():
    clock = Clock()
    repeats = Repeats(interval_s=5, clock=clock)
    assert [repeats.filter(record("x %s", n)) for n in range(4)] == [True, False, False, False]
    clock.now += 5
    again = record("x %s", 9)
    assert repeats.filter(again)
    assert getattr(again, LEFT_OUT) == 3
    clock.now += 5
    later = record("x %s", 10)
    assert repeats.filter(later)
    assert not hasattr(later, LEFT_OUT)


def test_lines_that_differ_do_not_hide_each_other():
    repeats = Repeats(clock=Clock())
    different = [
        record(),
        record("other"),
        record(name="producer"),
        record(level=logging.WARNING),
    ]
    assert all(repeats.filter(one) for one in different)
    assert not any(repeats.filter(one) for one in different)


def test_an_exception_is_never_left_out():
    repeats = Repeats(clock=Clock())
    for _ in range(3):
        failed = record("task failed")
        failed.exc_info = (ValueError, ValueError("x"), None)
        assert repeats.filter(failed)


def test_texts_without_end_do_not_fill_the_memory():
    repeats = Repeats(clock=Clock())
    assert all(repeats.filter(record(f"formatted {n}")) for n in range(5000))
    assert repeats.remembered <= 1000


@pytest.fixture
def out():
    yield io.StringIO()
    structlog.reset_defaults()
    root = logging.getLogger()
    root.handlers[:] = []
    root.setLevel(logging.WARNING)


def test_a_process_writes_repeated_lines_of_libraries_once_and_its_own_always(out, monkeypatch):
    clock = Clock()
    configure(service="gateway", stream=out)
    (handler,) = logging.getLogger().handlers
    (repeats,) = handler.filters
    monkeypatch.setattr(repeats, "_clock", clock)
    for n in range(100):
        logging.getLogger("aiokafka").error("Unable connect to node with id %s", n)
        structlog.get_logger().warning("ours")
    clock.now += INTERVAL_S
    logging.getLogger("aiokafka").error("Unable connect to node with id %s", 100)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sum(line["event"] == "ours" for line in lines) == 100
    first, last = (line for line in lines if line["event"] != "ours")
    assert "left_out" not in first
    assert (last["event"], last["left_out"]) == ("Unable connect to node with id 100", 99)
