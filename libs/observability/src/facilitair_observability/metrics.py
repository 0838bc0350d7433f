"""Metrics of one process, on a registry that is passed in and never the global one."""

from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from facilitair_observability.errors import MetricKindError, MetricLabelsError
from facilitair_observability.names import Kind, Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Records values of the metrics in ``names``; a metric appears with its first value.

    Every method raises MetricKindError for a metric of another kind, and MetricLabelsError when
    the labels are not exactly the declared ones. None of them blocks.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        # Finding a series by its labels takes longer than adding to it. Gauges may be forgotten.
        self._counted: dict[tuple[object, ...], Counter] = {}
        self._observed: dict[tuple[object, ...], Histogram] = {}

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = (metric.name, *labels.items())
        series = self._counted.get(key)
        if series is None:
            counter = self._counters.get(metric.name)
            if counter is None:
                counter = Counter(**self._declared(metric, used_as="counter"))
                self._counters[metric.name] = counter
            series = counter.labels(**labels) if _labelled(metric, labels) else counter
            self._counted[key] = series
        series.inc(amount)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges.get(metric.name)
        if gauge is None:
            gauge = Gauge(**self._declared(metric, used_as="gauge"))
            self._gauges[metric.name] = gauge
        (gauge.labels(**labels) if _labelled(metric, labels) else gauge).set(value)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        key = (metric.name, *labels.items())
        series = self._observed.get(key)
        if series is None:
            histogram = self._histograms.get(metric.name)
            if histogram is None:
                declared = self._declared(metric, used_as="histogram")
                histogram = Histogram(**declared, buckets=metric.buckets)
                self._histograms[metric.name] = histogram
            series = histogram.labels(**labels) if _labelled(metric, labels) else histogram
            self._observed[key] = series
        series.observe(value)

    def forget(self, metric: Metric, **labels: str) -> None:
        """Drop the series of a gauge whose subject is gone, such as a revoked partition."""
        gauge = self._gauges.get(metric.name)
        if gauge is not None:
            gauge.remove_by_labels(labels)

    def render(self) -> bytes:
        """Every series in the text format of Prometheus, of type ``CONTENT_TYPE``."""
        return generate_latest(self._registry)

    def _declared(self, metric: Metric, *, used_as: Kind) -> dict[str, Any]:
        if metric.kind != used_as:
            raise MetricKindError(metric=metric.name, declared=metric.kind, used_as=used_as)
        return {
            "name": metric.name,
            "documentation": metric.meaning,
            "labelnames": metric.labels,
            "registry": self._registry,
        }


def _labelled(metric: Metric, labels: dict[str, str]) -> bool:
    if set(labels) != set(metric.labels):
        raise MetricLabelsError(metric=metric.name, declared=metric.labels, got=sorted(labels))
    return bool(labels)
