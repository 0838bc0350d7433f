"""Writing that does not end in doubt (R4)."""

import asyncio
from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

import structlog

from facilitair_messaging.crash_points import Point, crash_point
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.ports import Message, Producer

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0

_log = structlog.get_logger()


async def send_surely(
    producer: Producer,
    *stages: Sequence[Message],
    attempts: int,
    what: str,
    reached: Sequence[Point] = (),
) -> None:
    """Write the stages in order, each acked before the next begins.

    When the fate of one is unknown, nothing counts as written and all is written again, from the
    first stage: whoever reads it drops what it has. ``reached`` names the crash point behind each.
    Raises ProduceUnknownError after ``attempts``, with pauses of up to 2 s between them.
    """
    pause_s = _FIRST_PAUSE_S
    for attempt in range(1, attempts + 1):
        try:
            for stage, point in zip_longest(stages, reached):
                if stage:
                    await producer.send(stage)
                    if point is not None:
                        crash_point(point)
        except ProduceUnknownError as error:
            if attempt == attempts:
                raise
            _log.warning("written again", what=what, attempt=attempt, reason=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        else:
            return
