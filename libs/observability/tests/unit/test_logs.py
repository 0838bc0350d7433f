"""Log lines: one shape for all, with their cause, without secrets and without payloads."""

import asyncio
import io
import json
import logging

import pytest
import structlog

from facilitair_observability import correlation
from facilitair_observability.correlation import Correlation
from facilitair_observability.errors import LogLevelError
from facilitair_observability.logs import configure


@pytest.fixture
def out():
    yield io.StringIO()
    structlog.reset_defaults()
    root = logging.getLogger()
    root.handlers[:] = []
    root.setLevel(logging.WARNING)


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_carries_message_fields_service_and_time(out):
    configure(service="router", stream=out)

    structlog.get_logger().info("task routed", route="fast", score=0.5)

    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "task routed", "route": "fast", "score": 0.5, "level": "info", "service": "router",
    }  # fmt: skip


def test_the_level_decides_what_is_written(out):
    configure(service="router", level="warning", stream=out)

    structlog.get_logger().info("not written")
    structlog.get_logger().warning("written")

    assert [line["event"] for line in lines(out)] == ["written"]


def test_an_unknown_level_is_refused_with_the_known_ones(out):
    with pytest.raises(LogLevelError, match=r"'loud'; use one of debug, info"):
        configure(service="router", level="loud", stream=out)


async def test_a_task_logs_the_correlation_it_was_started_with(out):
    configure(service="solo", stream=out)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def handle(name):
        bound = Correlation(correlation=name, tenant="t", causation="e", traceparent=trace)
        with correlation.serving("worker"), correlation.bound(bound):
            await asyncio.sleep(0)
            structlog.get_logger().info("handled", name=name)

    await asyncio.gather(handle("a"), handle("b"))
    structlog.get_logger().info("after")

    *handled, after = lines(out)
    assert [(line["name"], line["correlation"]) for line in handled] == [("a", "a"), ("b", "b")]
    assert {line["service"] for line in handled} == {"worker"}
    assert {line["trace_id"] for line in handled} == {"0af7651916cd43dd8448eb211c80319c"}
    assert after["service"] == "solo"
    assert "correlation" not in after


def test_foreign_lines_have_the_same_shape_from_warning_up(out):
    configure(service="gateway", level="debug", stream=out)

    logging.getLogger("aiohttp").info("not written")
    logging.getLogger("aiohttp").warning("slow %s", "sk-abcdefghijklmnop")

    (line,) = lines(out)
    assert line["event"] == "slow [redacted]"
    assert (line["level"], line["service"]) == ("warning", "gateway")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(out, log_format):
    configure(service="worker", log_format=log_format, stream=out)
    prompt = "the prompt of a tenant"
    try:
        raise ValueError(len(prompt))
    except ValueError:
        structlog.get_logger().exception("call failed")

    assert "ValueError" in out.getvalue()
    assert "the prompt of a tenant\n" not in out.getvalue()
    assert "locals" not in out.getvalue()


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_payloads_are_written_at_debug_only(out, level, shown):
    configure(service="worker", level=level, stream=out)

    structlog.get_logger().error("call failed", prompt="write a poem", detail={"text": "roses"})

    (line,) = lines(out)
    assert (line["prompt"] == "write a poem") is shown
    assert (line["detail"] == {"text": "roses"}) is shown
    if not shown:
        assert line["prompt"] == "[12 characters not shown]"


def test_a_secret_is_never_written(out):
    configure(service="worker", level="debug", stream=out)

    structlog.get_logger().info(
        "asked", api_key="hunter2", headers={"Authorization": "Bearer abcdefgh12345"}
    )

    assert "hunter2" not in out.getvalue()
    assert "abcdefgh12345" not in out.getvalue()
