"""Spans: passed on untouched by default, exported when there is a collector."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from facilitair_observability.names import PROCESS_SPAN
from facilitair_observability.trace_context import parse
from facilitair_observability.tracing import open_tracer

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def collector():
    """A collector; gives its address and the spans it received, by service."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip  # noqa: PLC0415 - only if the exporter compresses

                body = gzip.decompress(body)
            received.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_without_an_endpoint_the_trace_is_passed_on_untouched():
    with open_tracer(service="worker", endpoint=None) as tracer:
        for traceparent in (PARENT, None):
            with tracer.span(PROCESS_SPAN, traceparent=traceparent, attributes={}) as handed_on:
                assert handed_on == traceparent


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported():
    code = (
        "import sys\n"
        "from facilitair_observability.tracing import open_tracer\n"
        "with open_tracer(service='s', endpoint=None): pass\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_with_an_endpoint_spans_are_exported_below_their_parent():
    with collector() as (endpoint, received):
        with open_tracer(service="worker", endpoint=endpoint) as tracer:
            attributes = {"messaging.destination.name": "inbox"}
            with tracer.span(PROCESS_SPAN, traceparent=PARENT, attributes=attributes) as handed_on:
                pass
        ((path, request),) = received

    (resource,) = request.resource_spans
    (span,) = resource.scope_spans[0].spans
    context = parse(handed_on)
    assert path == "/v1/traces"
    assert (span.trace_id.hex(), span.span_id.hex()) == (context.trace_id, context.span_id)
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert span.name == "process"
    assert [(pair.key, pair.value.string_value) for pair in span.attributes] == [
        ("messaging.destination.name", "inbox")
    ]
    assert "worker" in {pair.value.string_value for pair in resource.resource.attributes}


def test_an_error_shows_its_type_and_not_its_message():
    prompt = "the prompt of a tenant"
    with collector() as (endpoint, received):
        with (
            open_tracer(service="worker", endpoint=endpoint) as tracer,
            pytest.raises(LookupError),
            tracer.span(PROCESS_SPAN, traceparent=None, attributes={}),
        ):
            raise LookupError(prompt)
        ((_, request),) = received

    assert b"LookupError" in request.SerializeToString()
    assert b"the prompt" not in request.SerializeToString()
