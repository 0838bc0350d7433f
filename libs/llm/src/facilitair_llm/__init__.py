"""Calling models: provider dialects, prices, and the simulator."""
