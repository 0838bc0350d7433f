"""What a viewer is sent of its entries: frames in one piece, and the end with its reason."""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from facilitair_gateway.fanout import Cursor, Entry, Verdict
from facilitair_gateway.viewer import Viewer
from facilitair_gateway.wires import Wire
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

log = structlog.get_logger(__name__)

_SLOW: Final = "events came faster than they were read; read on from this cursor"
_MISSING: Final = "events are missing here; what the collaboration did can be described still"
_EXPIRED: Final = "the events here expired while they were read"


class Delivery:
    """Turns entries into frames, and cuts off who cannot be sent any more."""

    def __init__(self, *, client_buffer_bytes: int, metrics: Metrics) -> None:
        self._client_buffer_bytes = client_buffer_bytes
        self._metrics = metrics

    def take(
        self, viewer: Viewer, next_entries: Callable[[Viewer], list[Entry]], *, wire: Wire
    ) -> list[bytes]:
        """The frames that a viewer is to be sent now; none when it has to wait.

        Sets ``ended`` once its last frame is in what this returns.
        """
        if viewer.ended:
            return []
        if self._is_slow(viewer):
            return [self._end(viewer, viewer.cursor, reason="slow", message=_SLOW, wire=wire)]
        while entries := next_entries(viewer):
            frames, over = self._frames(viewer, entries, wire=wire)
            if frames or over:
                return frames
        if viewer.fault is not None:
            return [self._end(viewer, viewer.cursor, reason="expired", message=_EXPIRED, wire=wire)]
        return []

    def _is_slow(self, viewer: Viewer) -> bool:
        channel = viewer.channel
        if not viewer.live or channel is None:
            return False
        return channel.appended - viewer.consumed > self._client_buffer_bytes

    def _frames(
        self, viewer: Viewer, entries: Sequence[Entry], *, wire: Wire
    ) -> tuple[list[bytes], bool]:
        """The frames of what a viewer was not sent before, and whether nothing follows them."""
        frames: list[bytes] = []
        for entry in entries:
            verdict = Verdict.MISSING if entry.hole else viewer.progress.admit(entry)
            if verdict is Verdict.MISSING:
                log.error("events missing on the stream", partition=viewer.partition, seq=entry.seq)
                cursor = behind(viewer, entry)
                gap = self._end(
                    viewer, cursor, reason="events_missing", message=_MISSING, wire=wire
                )
                frames.append(gap)
                return frames, True
            viewer.resume_at = entry.offset + 1
            if verdict is Verdict.SEND:
                seq = viewer.progress.seq
                frames.append(wire.frame(entry, partition=viewer.partition, seq=seq))
            if entry.terminal:
                viewer.ended = True
                return frames, True
        return frames, False

    def _end(
        self, viewer: Viewer, cursor: Cursor, *, reason: str, message: str, wire: Wire
    ) -> bytes:
        viewer.ended = viewer.cut_off = True
        self._metrics.count(names.STREAM_GAPS, reason=reason)
        log.info("viewer cut off", reason=reason, partition=viewer.partition)
        return wire.gap(cursor, reason=reason, message=message)


def behind(viewer: Viewer, entry: Entry) -> Cursor:
    """Behind the last record that a viewer saw, and behind the gap: who resumes there goes on."""
    seen = viewer.progress.seq
    if entry.hole:
        return Cursor(viewer.partition, entry.offset + 1, max(seen, entry.seq or 0))
    return Cursor(viewer.partition, viewer.resume_at, seen if entry.seq is None else entry.seq - 1)
