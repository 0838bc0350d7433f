"""Fetches, starts and stops real servers without containers, for the launcher and tests."""
