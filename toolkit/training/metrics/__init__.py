"""Metrics by name, measured once per epoch on all its outputs; see `METRICS` and `measure`."""

from toolkit.training.metrics.outputs import Outputs, make_meter, measure
from toolkit.training.metrics.registry import (
    METRICS,
    MetricEntry,
    check_metrics,
    default_metrics,
    find_metric,
    has_direction,
    higher_is_better,
    metric_key,
)

__all__ = [
    "METRICS",
    "MetricEntry",
    "Outputs",
    "check_metrics",
    "default_metrics",
    "find_metric",
    "has_direction",
    "higher_is_better",
    "make_meter",
    "measure",
    "metric_key",
]
