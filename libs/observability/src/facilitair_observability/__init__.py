"""Logging, metric names, correlation and trace context."""
