"""Fakes, conditions with deadlines and recorders for tests."""
