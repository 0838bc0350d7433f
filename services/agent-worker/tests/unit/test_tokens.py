"""The token path under a log that says nothing clear (R4)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.tokens import MOST_CHARACTERS, AttemptStream, TokenWriter
from facilitair_events import codec
from facilitair_events.stream import Token
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.ports import Ack, Message
from facilitair_observability.metrics import Metrics


class FlakyLog:
    """Takes a prefix of some sends and then says that it does not know (R4)."""

    def __init__(self, taken: list[int | None]) -> None:
        self.taken = taken
        self.records: list[Message] = []
        self.sends = 0

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        self.sends += 1
        await asyncio.sleep(0)
        count = self.taken.pop(0) if self.taken else None
        if count is None:
            self.records += messages
            return [Ack(0, None) for _ in messages]
        self.records += list(messages)[:count]
        raise ProduceUnknownError(topics=(COLLABORATION_STREAM,), reason="scripted")

    async def missing(self, messages: list[Message]) -> list[Message]:
        return [message for message in messages if message not in self.records]

    def acked(self, topic: str, acks: list[Ack]) -> None:
        assert topic == COLLABORATION_STREAM


@asynccontextmanager
async def writing(log: FlakyLog) -> AsyncIterator[TokenWriter]:
    writer = TokenWriter(producer=log, read_back=log, metrics=Metrics(CollectorRegistry()))
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()


def stream(step: str = "a") -> AttemptStream:
    return AttemptStream(key=b"local:c1", step=step, attempt=1, agent="coder")


def tokens(log: FlakyLog, step: str = "a") -> list[Token]:
    decoded = [codec.decode("facilitair.token.v1", r.value or b"") for r in log.records]
    return [t for t in decoded if isinstance(t, Token) and t.step == step]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.text(min_size=1, max_size=5), st.booleans())),
    st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=5),
)
@settings(max_examples=60)
def test_r04_every_chunk_arrives_once_and_in_order(
    writes: list[tuple[str, str, bool]], taken: list[int | None]
) -> None:
    log = FlakyLog(list(taken))

    async def run() -> None:
        async with writing(log) as writer:
            streams = {name: stream(name) for name in "ab"}
            for name, text, pause in writes:
                writer.write(streams[name], text)
                if pause:
                    await asyncio.sleep(0)
            await writer.flush()

    asyncio.run(run())
    for name in "ab":
        got = tokens(log, name)
        assert "".join(t.text for t in got) == "".join(text for n, text, _ in writes if n == name)
        assert [t.index for t in got] == list(range(len(got)))


async def test_chunks_of_many_streams_share_one_send() -> None:
    log = FlakyLog([])
    async with writing(log) as writer:
        streams = [stream(f"s{n}") for n in range(100)]
        for one in streams:
            writer.write(one, "x")
            writer.write(one, "y")
        await writer.flush()
    assert log.sends == 1
    assert len(log.records) == 100
    assert tokens(log, "s7")[0].text == "xy"


async def test_an_idle_writer_sends_a_chunk_at_once() -> None:
    log = FlakyLog([])
    async with writing(log) as writer:
        one = stream()
        for text in "abc":
            writer.write(one, text)
            await writer.flush()
    assert [t.text for t in tokens(log)] == ["a", "b", "c"]


async def test_a_long_text_leaves_in_records_that_the_stream_takes() -> None:
    log, text = FlakyLog([]), "\x01" * (3 * MOST_CHARACTERS + 1)
    async with writing(log) as writer:
        writer.write(stream(), text)
        await writer.flush()
    assert "".join(token.text for token in tokens(log)) == text
    assert [token.index for token in tokens(log)] == [0, 1, 2, 3]
    assert max(len(record.value or b"") for record in log.records) < 1 << 20
