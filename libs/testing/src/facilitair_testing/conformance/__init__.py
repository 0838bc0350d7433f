"""What every adapter of the log has to do, written against the ports only.

An adapter's tests inherit the classes and give them a fixture ``harness`` (a ``LogHarness``)::

    class TestEmbeddedOrdering(OrderingConformance): ...

Every test takes fresh topics and groups, and waits for conditions instead of times.
"""
