"""The edges where a process asks its own machine."""
