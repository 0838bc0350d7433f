"""Metrics: declared once, used as declared, on a registry of their own."""

import re

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from facilitair_observability.errors import MetricKindError, MetricLabelsError
from facilitair_observability.metrics import Metrics
from facilitair_observability.names import METRICS, SPANS, Metric

CALLS = Metric(name="calls", kind="counter", unit="1", meaning="Calls.", labels=("model",))
LAG = Metric(name="lag", kind="gauge", unit="1", meaning="Lag.")
WAIT = Metric(name="wait_seconds", kind="histogram", unit="s", meaning="Wait.", buckets=(0.5, 2.0))


@pytest.fixture
def registry():
    return CollectorRegistry()


def test_values_appear_in_the_text_format(registry):
    metrics = Metrics(registry)

    metrics.count(CALLS, model="m")
    metrics.count(CALLS, 2, model="m")
    metrics.set(LAG, 7)
    metrics.observe(WAIT, 1.0)

    text = metrics.render().decode()
    assert 'calls_total{model="m"} 3.0' in text
    assert "lag 7.0" in text
    assert 'wait_seconds_bucket{le="0.5"} 0.0' in text
    assert 'wait_seconds_bucket{le="2.0"} 1.0' in text


def test_registries_share_nothing(registry):
    Metrics(CollectorRegistry()).set(LAG, 1)
    Metrics(registry).set(LAG, 2)

    assert registry.get_sample_value("lag") == 2
    assert REGISTRY.get_sample_value("lag") is None


def test_another_kind_is_refused(registry):
    with pytest.raises(MetricKindError, match="'calls' is a counter, it was used as a gauge"):
        Metrics(registry).set(CALLS, 1, model="m")


@pytest.mark.parametrize("labels", [{}, {"model": "m", "tenant": "t"}, {"tenant": "t"}])
def test_other_labels_are_refused(registry, labels):
    with pytest.raises(MetricLabelsError, match="'calls' has labels"):
        Metrics(registry).count(CALLS, **labels)


def test_a_forgotten_gauge_is_not_shown(registry):
    metrics = Metrics(registry)
    pending = Metric(name="pending", kind="gauge", unit="1", meaning="P.", labels=("partition",))
    metrics.set(pending, 1, partition="0")
    metrics.set(pending, 2, partition="1")

    metrics.forget(pending, partition="0")
    metrics.forget(CALLS, model="never used")

    assert registry.get_sample_value("pending", {"partition": "0"}) is None
    assert registry.get_sample_value("pending", {"partition": "1"}) == 2


def test_names_are_unique_and_well_formed():
    names = [metric.name for metric in METRICS]

    assert len(names) == len(set(names))
    for metric in METRICS:
        assert re.fullmatch(r"(facilitair|messaging|gen_ai|http)(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_seconds") == (metric.unit == "s")
        assert not metric.name.endswith("_total")  # prometheus-client adds it
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert metric.meaning.endswith(".")
        assert not {"tenant", "collaboration", "key", "id"} & set(metric.labels)
    assert len({span.name for span in SPANS}) == len(SPANS)


def test_every_declared_metric_can_be_used(registry):
    metrics = Metrics(registry)
    write = {"counter": metrics.count, "gauge": metrics.set, "histogram": metrics.observe}
    for metric in METRICS:
        write[metric.kind](metric, 1, **dict.fromkeys(metric.labels, "x"))
        assert metric.name in metrics.render().decode()
