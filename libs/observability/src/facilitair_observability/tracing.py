"""Spans: none by default, exported over OTLP when an endpoint is configured."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from facilitair_observability.names import SpanName


class Tracer(Protocol):
    """Opens spans. It never blocks, and a collector that is away loses spans, nothing else."""

    def span(
        self, name: SpanName, *, traceparent: str | None, attributes: Mapping[str, str | int]
    ) -> AbstractContextManager[str | None]:
        """Run the body as a span below ``traceparent``; None begins a trace.

        Gives the ``traceparent`` for what the body causes. Attributes hold no text of users.
        """
        ...


class PassingTracer:
    """The default: hands on the trace it was given and records nothing."""

    @contextmanager
    def span(
        self, _name: SpanName, *, traceparent: str | None, attributes: Mapping[str, str | int]
    ) -> Iterator[str | None]:
        del attributes
        yield traceparent


@contextmanager
def open_tracer(*, service: str, endpoint: str | None) -> Iterator[Tracer]:
    """A tracer for one service; leaving the context exports what is left, for a few seconds.

    ``endpoint`` is the base address of an OTLP collector over HTTP, such as
    ``http://127.0.0.1:4318``. With None nothing of OpenTelemetry is even imported.
    """
    if endpoint is None:
        yield PassingTracer()
        return
    # Half a second and tens of megabytes, for those who trace.
    from facilitair_observability.otlp import OtlpTracer  # noqa: PLC0415 - as said above

    tracer = OtlpTracer(service=service, endpoint=endpoint)
    try:
        yield tracer
    finally:
        tracer.close()
