"""Every metric and span name, with kind, unit and meaning. Code names them only from here.

Names of the OpenTelemetry semantic conventions come first, ours start with ``facilitair``.
Dots of a convention are underscores here, and its unit is a suffix, as Prometheus wants it.
"""

from typing import Final, Literal

from msgspec import Struct

Kind = Literal["counter", "gauge", "histogram"]

_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CALL_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)


class Metric(Struct, frozen=True, kw_only=True):
    """One metric. ``unit`` is ``1`` for counts; ``buckets`` are upper bounds of a histogram.

    Labels have few values: never a tenant, an id or a text.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


PROCESS_DURATION: Final = Metric(
    name="messaging_process_duration_seconds",
    kind="histogram",
    unit="s",
    meaning="From the first attempt at a record to its end: handled or dead_lettered.",
    labels=("topic", "group", "outcome"),
    buckets=_SECONDS,
)
RECORDS_CONSUMED: Final = Metric(
    name="messaging_client_consumed_messages",
    kind="counter",
    unit="1",
    meaning="Records that a consumer loop took from its poll, redeliveries included.",
    labels=("topic", "group"),
)
RECORDS_RETRIED: Final = Metric(
    name="facilitair_records_retried",
    kind="counter",
    unit="1",
    meaning="Attempts at a record that ended in a RetryableError and were tried again.",
    labels=("topic", "group", "error"),
)
RECORDS_DEAD_LETTERED: Final = Metric(
    name="facilitair_records_dead_lettered",
    kind="counter",
    unit="1",
    meaning="Records whose dead letter is acked by the log.",
    labels=("topic", "group", "error"),
)
RECORDS_PENDING: Final = Metric(
    name="facilitair_records_pending",
    kind="gauge",
    unit="1",
    meaning="Records taken from a partition and not yet below what may be committed.",
    labels=("topic", "group", "partition"),
)
COMMITS_REFUSED: Final = Metric(
    name="facilitair_commits_refused",
    kind="counter",
    unit="1",
    meaning="Commits refused because the partition had moved; its next owner does the work again.",
    labels=("topic", "group"),
)
VIEW_POISON: Final = Metric(
    name="facilitair_view_poison",
    kind="counter",
    unit="1",
    meaning="Records that a view of a compacted topic could not read; it keeps the older value.",
    labels=("topic",),
)
VIEW_KEYS: Final = Metric(
    name="facilitair_view_keys",
    kind="gauge",
    unit="1",
    meaning="Keys that a view of a compacted topic holds.",
    labels=("topic",),
)
REPLIES_POISON: Final = Metric(
    name="facilitair_replies_poison",
    kind="counter",
    unit="1",
    meaning="Replies to requests of this process that could not be read.",
    labels=("topic",),
)
REPLY_WAIT: Final = Metric(
    name="facilitair_reply_wait_seconds",
    kind="histogram",
    unit="s",
    meaning="From waiting for a reply to its end: answered or timeout.",
    labels=("topic", "outcome"),
    buckets=_SECONDS,
)

STREAM_VIEWERS: Final = Metric(
    name="facilitair_stream_viewers",
    kind="gauge",
    unit="1",
    meaning="Open views of collaboration streams.",
)
STREAM_GAPS: Final = Metric(
    name="facilitair_stream_gaps",
    kind="counter",
    unit="1",
    meaning="Views that were cut off with a gap: slow, expired or events_missing.",
    labels=("reason",),
)
STREAM_SKIPPED: Final = Metric(
    name="facilitair_stream_skipped",
    kind="counter",
    unit="1",
    meaning="Records of the stream that no viewer can be sent: no type, no value, or a line break.",
)

CALLS_IN_FLIGHT: Final = Metric(
    name="facilitair_calls_in_flight",
    kind="gauge",
    unit="1",
    meaning="Model calls of this worker that are claimed and not yet reported.",
)
CALL_DURATION: Final = Metric(
    name="gen_ai_client_operation_duration_seconds",
    kind="histogram",
    unit="s",
    meaning="From the request to a model to the end of its stream: completed or failed.",
    labels=("outcome",),
    buckets=_CALL_SECONDS,
)
CALL_COST_UNKNOWN: Final = Metric(
    name="facilitair_call_cost_unknown",
    kind="counter",
    unit="1",
    meaning="Calls whose cost nobody knows: no price, no usage, or other_model answered.",
    labels=("provider", "reason"),
)
PROVIDER_BREAKER: Final = Metric(
    name="facilitair_provider_breaker",
    kind="gauge",
    unit="1",
    meaning="The breaker of a model in this worker: 0 closed, 1 half open, 2 open.",
    labels=("provider", "model"),
)
ATTEMPTS_DECLINED: Final = Metric(
    name="facilitair_attempts_declined",
    kind="counter",
    unit="1",
    meaning="Attempts that no model was asked for: rate_limited, unavailable, or why it refuses.",
    labels=("provider", "model", "reason"),
)
RATE_WAIT: Final = Metric(
    name="facilitair_rate_wait_seconds",
    kind="histogram",
    unit="s",
    meaning="Waits of an attempt for a rate limit, before its claim.",
    labels=("provider",),
    buckets=_SECONDS,
)
PROVIDER_CALLS: Final = Metric(
    name="facilitair_provider_calls",
    kind="counter",
    unit="1",
    meaning="Calls by how their stream ended: answered, stopped, or what was wrong.",
    labels=("provider", "model", "ending"),
)
TOKEN_ESTIMATE_ERROR: Final = Metric(
    name="facilitair_token_estimate_error",
    kind="histogram",
    unit="1",
    meaning="How far the worker's estimate of a prompt was from the provider's count, relative.",
    labels=("provider",),
    buckets=(0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2),
)
STREAM_CHUNKS: Final = Metric(
    name="facilitair_stream_chunks",
    kind="counter",
    unit="1",
    meaning="Records that a worker wrote to the stream: openings and token chunks.",
)
ATTEMPTS_DECLARED: Final = Metric(
    name="facilitair_attempts_declared",
    kind="counter",
    unit="1",
    meaning="Attempts of silent claimants that this worker closed: unknown or void.",
    labels=("outcome",),
)

METRICS: Final = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of the above."""


class SpanName(Struct, frozen=True, kw_only=True):
    """One kind of span. ``kind`` is that of OpenTelemetry."""

    name: str
    kind: Literal["internal", "server", "client", "producer", "consumer"]
    meaning: str


PROCESS_SPAN: Final = SpanName(
    name="process",
    kind="consumer",
    meaning="One attempt of a consumer loop at one record.",
)

SPANS: Final = (PROCESS_SPAN,)
