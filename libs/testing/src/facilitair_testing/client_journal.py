"""What clients did and what came of it, as JSON lines that survive the end of who writes them."""

import os
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

import msgspec
from msgspec.structs import replace

from facilitair_runtime.adapters.wall_clock import wall_clock_ms
from facilitair_testing.history.types import ClientLine, Frame, LineType, Op


class ClientJournal:
    """Appends one line before a request leaves and one after its outcome, each flushed at once.

    Several may write one file; close it, as ``contextlib.closing`` does.
    An operation that has no second line counts as ``info``.
    """

    def __init__(self, path: Path, *, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._now_ms = now_ms
        self._ids = (f"{os.getpid()}-{time.monotonic_ns()}-{number}" for number in count())
        self._open: dict[str, ClientLine] = {}

    def invoke(
        self,
        op: Op,
        *,
        client: str,
        tenant: str = "local",
        key: str | None = None,
        collaboration: str | None = None,
        body: str | None = None,
    ) -> str:
        """Write that a request is about to leave; returns the operation's id."""
        line = ClientLine(
            at_ms=self._now_ms(), client=client, op=op, type="invoke", id=next(self._ids),
            tenant=tenant, key=key, collaboration=collaboration, body=body,
        )  # fmt: skip
        self._open[line.id] = line
        self._write(line)
        return line.id

    def ok(
        self,
        operation: str,
        *,
        status: int | None = None,
        collaboration: str | None = None,
        cursor: str | None = None,
        frames: Iterable[Frame] = (),
    ) -> None:
        """Write that the answer was a yes. Raises KeyError for an operation that is not open."""
        shown = tuple(frames)
        self._end(
            operation,
            "ok",
            status=status,
            collaboration=collaboration,
            cursor=cursor,
            frames=shown,
        )

    def fail(self, operation: str, *, status: int, collaboration: str | None = None) -> None:
        """Write that the answer was a definite no: nothing was done. Raises KeyError."""
        self._end(operation, "fail", status=status, collaboration=collaboration)

    def info(
        self, operation: str, *, status: int | None = None, frames: Iterable[Frame] = ()
    ) -> None:
        """Write that nobody knows: a timeout, a cut connection, a 5xx. Raises KeyError."""
        self._end(operation, "info", status=status, frames=tuple(frames))

    def close(self) -> None:
        """Close the file; what is open stays without a second line."""
        os.close(self._file)

    def _end(
        self,
        operation: str,
        outcome: LineType,
        *,
        status: int | None,
        collaboration: str | None = None,
        cursor: str | None = None,
        frames: tuple[Frame, ...] = (),
    ) -> None:
        line = self._open.pop(operation)
        self._write(
            replace(
                line,
                at_ms=self._now_ms(),
                type=outcome,
                status=status,
                collaboration=collaboration or line.collaboration,
                cursor=cursor,
                frames=frames,
            )
        )

    def _write(self, line: ClientLine) -> None:
        # One write to a file opened for appending: lines of several writers never mix.
        view = memoryview(msgspec.json.encode(line) + b"\n")
        while view:
            view = view[os.write(self._file, view) :]
