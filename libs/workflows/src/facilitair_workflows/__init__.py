"""Workflow and agent definitions, their validation, and the pure reducer of a collaboration."""
