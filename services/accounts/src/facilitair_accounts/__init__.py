"""Runs the pure reducer of a tenant's account over its requests."""
