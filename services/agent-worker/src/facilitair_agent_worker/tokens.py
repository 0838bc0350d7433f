"""The token path: chunks of all attempts leave in one produce request per tick (DESIGN section 7).

An idle worker sends a chunk as it comes; a busy one sends what gathered during a tick (``Pace``),
and while the log took the last batch. The first chunk of an attempt and the last never wait.
"""

import asyncio
from contextlib import suppress
from typing import Final

import msgspec

from facilitair_agent_worker.pace import Pace
from facilitair_agent_worker.readback import ReadBack
from facilitair_events.codec import encode
from facilitair_events.envelope import Headers
from facilitair_events.stream import Token
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.ports import Message, Producer
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

TOKEN_TYPE: Final = b"facilitair.token.v1"

MOST_CHARACTERS: Final = 128 * 1024
"""Of one record: each may take six bytes, and a record of the stream has at most a MiB."""

_encode_text: Final = msgspec.json.Encoder().encode
_CHANGING: Final = b'0,"text":""}'


class AttemptStream:
    """The stream of one attempt: what is written and not yet sent.

    Its records differ in index and text alone; the rest of each is made once.
    """

    def __init__(self, *, key: bytes, step: str, attempt: int, agent: str) -> None:
        self.key = key
        self.index = 0
        self.opening: Message | None = None
        self.pending: list[str] = []
        self._headers: Headers = (
            ("ce_type", TOKEN_TYPE),
            ("step", step.encode()),
            ("attempt", str(attempt).encode()),
        )
        empty = encode(Token(step=step, attempt=attempt, agent=agent, index=0, text=""))
        self._head = empty.removesuffix(_CHANGING)

    def take(self) -> list[Message]:
        """The records that carry what is pending; one for all its text, as far as one may be."""
        messages = []
        if self.opening is not None:
            messages.append(self.opening)
            self.opening = None
        if self.pending:
            text = "".join(self.pending)
            self.pending.clear()
            messages += [
                self._record(text[start : start + MOST_CHARACTERS])
                for start in range(0, len(text) or 1, MOST_CHARACTERS)
            ]
        return messages

    def _record(self, text: str) -> Message:
        index = b"%d" % self.index
        self.index += 1
        value = b'%b%b,"text":%b}' % (self._head, index, _encode_text(text))
        return Message(COLLABORATION_STREAM, self.key, value, (*self._headers, ("index", index)))


class TokenWriter:
    """Sends what attempts write, in order, each record until it is acked."""

    def __init__(self, *, producer: Producer, read_back: ReadBack, metrics: Metrics) -> None:
        self._producer = producer
        self._read_back = read_back
        self._metrics = metrics
        self._dirty: dict[int, AttemptStream] = {}
        self._flushes: list[asyncio.Future[None]] = []
        self._pace = Pace()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()

    def open(self, stream: AttemptStream, opening: Message) -> None:
        """Announce an attempt; the announcement precedes its first token (R7)."""
        stream.opening = opening
        self._touch(stream)
        self._urgent.set()

    def write(self, stream: AttemptStream, text: str) -> None:
        """Add text; it leaves with the next tick, and at once when it is the first."""
        if not stream.index and not stream.pending:
            self._urgent.set()
        stream.pending.append(text)
        self._touch(stream)

    async def flush(self) -> None:
        """Return when everything written before is acked; a result follows its last chunk (R7)."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushes.append(done)
        self._urgent.set()
        self._wake.set()
        await done

    def _touch(self, stream: AttemptStream) -> None:
        self._dirty[id(stream)] = stream
        self._wake.set()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await self._wake.wait()
            await self._tick()
            self._wake.clear()
            self._urgent.clear()
            streams, self._dirty = self._dirty, {}
            flushes, self._flushes = self._flushes, []
            messages = [message for stream in streams.values() for message in stream.take()]
            self._pace.sent(asyncio.get_running_loop().time(), records=len(messages))
            await self._send(messages)
            self._metrics.count(names.STREAM_CHUNKS, len(messages))
            for flush in flushes:
                if not flush.done():
                    flush.set_result(None)

    async def _tick(self) -> None:
        """Let more gather while the pace wants it and nothing is urgent."""
        wait_s = self._pace.wait_s(asyncio.get_running_loop().time())
        if wait_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._urgent.wait()

    async def _send(self, messages: list[Message]) -> None:
        while messages:
            try:
                acks = await self._producer.send(messages)
            except ProduceUnknownError:
                messages = await self._read_back.missing(messages)
            else:
                self._read_back.acked(COLLABORATION_STREAM, acks)
                return
