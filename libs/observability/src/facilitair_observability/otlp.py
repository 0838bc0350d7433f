"""Spans by OpenTelemetry, sent in batches from a thread of its own. Imported only when used."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from facilitair_observability.names import SpanName

_TIMEOUT_S: Final = 5.0
_HEADER: Final = "traceparent"


class OtlpTracer:
    """A tracer of one service, with a provider of its own and not the global one."""

    def __init__(self, *, service: str, endpoint: str) -> None:
        exporter = OTLPSpanExporter(
            endpoint=endpoint.rstrip("/") + "/v1/traces", timeout=_TIMEOUT_S
        )
        # Without an atexit hook: the composition root closes it.
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("facilitair")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(
        self, name: SpanName, *, traceparent: str | None, attributes: Mapping[str, str | int]
    ) -> Iterator[str | None]:
        parent = self._propagator.extract({} if traceparent is None else {_HEADER: traceparent})
        with self._tracer.start_as_current_span(
            name.name,
            context=parent,
            kind=SpanKind[name.kind.upper()],
            attributes=dict(attributes),
            # The message of an exception may quote a user; its type says enough.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            handed_on: dict[str, str] = {}
            self._propagator.inject(handed_on)
            try:
                yield handed_on[_HEADER]
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(error).__name__)
                raise

    def close(self) -> None:
        """Send what is left and stop the thread; gives up after the timeout of the exporter."""
        self._provider.shutdown()
