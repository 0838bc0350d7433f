"""The journal: one JSON line for the start and one for the end of every request, fsynced."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import orjson
from msgspec import Struct

Outcome = Literal["started", "completed", "cancelled", "faulted"]


class Entry(Struct, frozen=True, kw_only=True):
    """What the journal says of a request; token counts are what was read and sent so far."""

    call_id: str | None
    tenant: str | None
    model: str
    prompt_sha256: str
    input_tokens: int
    output_tokens: int
    outcome: Outcome


class Journal:
    """Appends entries to a file; entries that wait together share one fsync."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def append(self, entry: Entry) -> asyncio.Future[None]:
        """Queue the entry in order; the future is done once it is on disk.

        The entry is written whether or not the future is awaited.
        """
        at = datetime.now(UTC).isoformat()  # noqa: TID251 - a provider has a clock of its own
        line = orjson.dumps({"at": at, **_fields(entry)}, option=orjson.OPT_APPEND_NEWLINE)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_waiting())
        return written

    async def close(self) -> None:
        """Write what waits and close the file."""
        if self._writer is not None:
            await self._writer
        os.close(self._file)

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._write, b"".join(line for line, _ in batch))
            except OSError as error:
                failure: OSError | None = error
            else:
                failure = None
            for _, written in batch:
                _settle(written, failure)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        os.fsync(self._file)


def _settle(written: asyncio.Future[None], failure: OSError | None) -> None:
    if written.done():
        return
    if failure is None:
        written.set_result(None)
    else:
        written.set_exception(failure)


def _fields(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}
