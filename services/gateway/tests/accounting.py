"""Somebody who keeps accounts in the gateway's tests: nothing but ``decide``."""

from typing import Any

from facilitair_events import codec
from facilitair_events.decision import Received
from facilitair_events.envelope import Envelope, from_headers
from facilitair_events.topics import ACCOUNT_EVENTS, ACCOUNT_REQUESTS
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Log, Message, Record, TopicPartition
from facilitair_messaging.request_reply import reply_message
from facilitair_money.decide import decide


def envelope(data: Any, *, tenant: str, subject: str, ident: str) -> Envelope:
    """The envelope of what an account tells."""
    return Envelope(
        id=ident, type=codec.type_name(data), source="accounts", time="2026-01-01T00:00:00.000Z",
        subject=subject, tenant=tenant, project="default", actor="local", correlation="r",
        seq=getattr(data, "seq", None),
    )  # fmt: skip


def book_entry(tenant: str, event: Any) -> Message:
    """An event of a tenant's books."""
    about = envelope(event, tenant=tenant, subject=tenant, ident=f"{tenant}-{event.seq}")
    return message(topic=ACCOUNT_EVENTS, key=tenant, data=event, envelope=about)


class Accountant:
    """Reads all requests to accounts and answers; ``run`` goes on until it is cancelled."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.states: dict[str, Any] = {}

    async def run(self) -> None:
        """Keep the accounts of all tenants."""
        partitions = await self._log.admin().partitions(ACCOUNT_REQUESTS)
        tps = [TopicPartition(ACCOUNT_REQUESTS, number) for number in range(partitions)]
        async with self._log.reader() as reader, self._log.producer() as producer:
            reader.assign(dict.fromkeys(tps, 0))
            while True:
                for record in await reader.poll(max_records=100, wait_s=5):
                    messages = self._decide(record)
                    if messages:
                        await producer.send(messages)

    def _decide(self, record: Record) -> list[Message]:
        about = from_headers(record.headers)
        received = Received(
            tenant=about.tenant, subject=about.subject, offset=record.offset,
            at_ms=record.timestamp_ms, id=about.id, data=codec.decode(about.type, record.value),
        )  # fmt: skip
        decision = decide(self.states.get(about.tenant), received)
        self.states[about.tenant] = decision.state
        told = [book_entry(about.tenant, event) for event in decision.events]
        for number, command in enumerate(decision.commands):
            of = envelope(
                command.data,
                tenant=about.tenant,
                subject=command.subject or about.subject,
                ident=f"{about.id}/{number}",
            )
            told.append(
                message(topic=command.topic, key=command.key, data=command.data, envelope=of)
            )
        for reply in decision.replies:
            of = envelope(reply.data, tenant=about.tenant, subject=about.subject, ident=about.id)
            told.append(reply_message(to=reply.to, data=reply.data, envelope=of))
        return told
