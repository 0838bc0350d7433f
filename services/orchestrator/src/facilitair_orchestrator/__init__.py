"""Runs the pure reducer of a collaboration over its inbox."""
