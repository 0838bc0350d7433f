"""Model provider dialects, prices, and the simulator."""
