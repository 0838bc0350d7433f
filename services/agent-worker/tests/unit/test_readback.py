"""What an ambiguous send left in the log is found out however long the log is away (R4)."""

from facilitair_agent_worker.readback import ReadBack
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.errors import LogUnavailableError
from facilitair_messaging.ports import Message
from facilitair_testing.topics import topic_spec

THERE = Message(COLLABORATION_STREAM, b"local:a", b'"there"')
LOST = Message(COLLABORATION_STREAM, b"local:a", b'"lost"')


class Away:
    """A log that does not answer the first few times that somebody reads it or asks."""

    def __init__(self, log, *, questions=0, readers=0):
        self._log = log
        self.questions = questions
        self.readers = readers

    def __getattr__(self, name):
        return getattr(self._log, name)

    def admin(self):
        if self.questions:
            self.questions -= 1
            raise LogUnavailableError(address="here:9092", wanted="offsets", reason="gone")
        return self._log.admin()

    def reader(self):
        if self.readers:
            self.readers -= 1
            raise LogUnavailableError(address="here:9092", wanted="opening", reason="gone")
        return self._log.reader()


async def test_r4_the_log_is_asked_until_it_can_be_read(tmp_path):
    spec = topic_spec(COLLABORATION_STREAM, partitions=2)
    async with EmbeddedLog.open(tmp_path / "log.db", {spec.name: spec}) as log:
        await log.admin().ensure_topics([spec])
        async with log.producer() as producer:
            await producer.send([THERE])
        away = Away(log, questions=2, readers=2)
        assert await ReadBack(away).missing([THERE, LOST]) == [LOST]
        assert (away.questions, away.readers) == (0, 0)
