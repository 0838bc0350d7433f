"""One set-up for the log lines of a process: ours by structlog, foreign ones by the same chain."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from facilitair_observability.correlation import fields
from facilitair_observability.errors import LogLevelError
from facilitair_observability.redaction import redacted
from facilitair_observability.repeats import LEFT_OUT, Repeats

LogFormat = Literal["json", "console"]
LEVELS: Final = ("debug", "info", "warning", "error", "critical")


def configure(
    *,
    service: str,
    level: str = "info",
    log_format: LogFormat = "json",
    stream: TextIO | None = None,
) -> None:
    """Set up logging of this process; called once by the composition root, again replaces it.

    ``service`` names lines that no ``correlation.serving`` covers. ``stream`` is stderr by default.
    Lines of other libraries are written from WARNING up, those they repeat once in a few seconds.
    Raises LogLevelError.
    """
    threshold = _threshold(level)
    out = sys.stderr if stream is None else stream
    shared = _processors(service, payloads=threshold <= logging.DEBUG)
    renderer = _renderer(log_format, colors=out.isatty())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_add_left_out, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))


def _threshold(level: str) -> int:
    if level.lower() not in LEVELS:
        raise LogLevelError(level=level, known=LEVELS)
    return int(getattr(logging, level.upper()))


def _processors(service: str, *, payloads: bool) -> list[Processor]:
    def add_correlation(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for name, value in ({"service": service} | fields()).items():
            event.setdefault(name, value)
        return event

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> MutableMapping[str, Any]:
        # The formatter's own entries, which it takes out again, are not fields.
        kept = {name: event.pop(name) for name in ("_record", "_from_structlog") if name in event}
        return redacted(event, payloads=payloads) | kept

    return [
        add_correlation,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Text, because structured tracebacks and the console's default show local variables,
        # and those are prompts and keys.
        structlog.processors.format_exc_info,
        redact,
    ]


def _add_left_out(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    left_out = getattr(event.get("_record"), LEFT_OUT, 0)
    return {**event, LEFT_OUT: left_out} if left_out else event


def _renderer(log_format: LogFormat, *, colors: bool) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback
    )
