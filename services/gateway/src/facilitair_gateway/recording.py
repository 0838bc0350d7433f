"""Appending what administrators decide, and waiting until this gateway knows of it too."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope, timestamp
from facilitair_gateway.errors import AppendUnknownError
from facilitair_gateway.principal import Principal
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Producer

SOURCE: Final = "gateway"


class Recorder:
    """Writes records of one compacted topic that a view of this gateway follows.

    ``on_change`` is to be called for every change of that view.
    """

    def __init__(
        self,
        producer: Producer,
        *,
        topic: str,
        timeout_s: float,
        now_ms: Callable[[], int],
        fresh_id: Callable[[], str],
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._timeout_s = timeout_s
        self._now_ms = now_ms
        self._fresh_id = fresh_id
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        """The time of this gateway, in whole milliseconds."""
        return datetime.fromtimestamp(self._now_ms() / 1000, UTC)

    def on_change(self) -> None:
        """Note that the view may have changed."""
        self._changed.set()

    async def write(
        self,
        record: Struct,
        *,
        key: str,
        by: Principal,
        project: str,
        shows: Callable[[], bool],
    ) -> None:
        """Append a record whose key begins with its tenant.

        Returns once ``shows`` holds, or ``timeout_s`` after the log confirmed it; raises
        AppendUnknownError when the log did not.
        """
        tenant, _, rest = key.partition(":")
        ident = self._fresh_id()
        envelope = Envelope(
            id=ident,
            type=type_name(record),
            source=SOURCE,
            time=timestamp(self._now_ms()),
            subject=rest.replace(":", "/"),
            tenant=tenant,
            project=project,
            actor=by.actor,
            correlation=ident,
            traceparent=by.traceparent,
        )
        built = message(topic=self._topic, key=key, data=record, envelope=envelope)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._producer.send([built])
        except (TimeoutError, ProduceUnknownError) as error:
            raise AppendUnknownError(timeout_s=self._timeout_s) from error
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                while not shows():
                    self._changed.clear()
                    await self._changed.wait()
