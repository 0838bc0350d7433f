"""The log of solo: one SQLite file with real partitions, offsets, groups and compaction."""

from facilitair_messaging.adapters.embedded.log import EmbeddedLog

__all__ = ["EmbeddedLog"]
