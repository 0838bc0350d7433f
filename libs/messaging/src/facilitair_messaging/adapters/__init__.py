"""Adapters of the log ports, one package per technology."""
