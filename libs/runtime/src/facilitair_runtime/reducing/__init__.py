"""The parts of the keyed reducer: pure ones that decide, and small ones that write and remember."""
