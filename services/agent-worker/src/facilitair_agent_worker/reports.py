"""Telling a collaboration what became of a call and of its attempt."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from facilitair_agent_worker.claims import RETRY_S
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.ids import derive
from facilitair_events.keys import collaboration_key, split_task_key
from facilitair_events.requests import AttemptReported, CallReported
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_messaging.crash_points import crash_point
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.messages import caused_by, message
from facilitair_messaging.ports import Producer

Report = CallReported | AttemptReported


class Reports:
    """Appends to the inbox until it is acked; a report that is there twice counts once (R11)."""

    def __init__(
        self, *, producer: Producer, wall_ms: Callable[[], int], retry_s: float = RETRY_S
    ) -> None:
        self._producer = producer
        self._wall_ms = wall_ms
        self._retry_s = retry_s

    async def send(self, task: str, reports: Sequence[Report], *, cause: Envelope) -> None:
        """Append the reports of one attempt, in order, in one go."""
        tenant, collaboration, _ = split_task_key(task)
        key = collaboration_key(tenant, collaboration)
        messages = [
            message(
                topic=COLLABORATION_INBOX,
                key=key,
                data=report,
                envelope=self._envelope(report, task=task, cause=cause),
            )
            for report in reports
        ]
        while True:
            try:
                await self._producer.send(messages)
            except ProduceUnknownError as error:
                structlog.get_logger().warning("report sent again", reason=str(error))
                await asyncio.sleep(self._retry_s)
            else:
                crash_point("result_acked")
                return

    def _envelope(self, report: Struct, *, task: str, cause: Envelope) -> Envelope:
        name = (
            (report.call_id, report.outcome)
            if isinstance(report, CallReported)
            else (task, str(report.attempt), "attempt")  # type: ignore[attr-defined]
        )
        return caused_by(
            cause,
            id=derive("report", *name),
            data=report,
            source="agent-worker",
            time=timestamp(self._wall_ms()),
            subject=cause.subject,
        )
