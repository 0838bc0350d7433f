"""Faults on purpose: planned from a seed, injected, observed, and judged by the history."""
