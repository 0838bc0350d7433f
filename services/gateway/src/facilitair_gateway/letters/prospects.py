"""What is likely to come of putting a record back, in words for the operator."""

from typing import Final

from facilitair_events.topics import AGENT_TASKS, AGENT_TASKS_BATCH
from facilitair_gateway.errors import (
    AppendUnknownError,
    NoAnswerError,
    RequestFaultsError,
    UnknownCollaborationError,
)
from facilitair_gateway.inbox import Inbox
from facilitair_gateway.letters.letter import Letter
from facilitair_gateway.principal import Principal
from facilitair_gateway.viewing import TERMINAL_STATUSES

_TASKS: Final = frozenset({AGENT_TASKS, AGENT_TASKS_BATCH})


async def prospects(letter: Letter, inbox: Inbox, *, by: Principal) -> tuple[str, ...]:
    """Warnings about a letter's collaboration, which is asked what it does.

    It takes as long as a describe, and raises nothing: not to know is a warning too.
    """
    if letter.tenant is None or letter.collaboration is None:
        return ("its key names no collaboration, so nobody may handle it",)
    owner = Principal(tenant=letter.tenant, actor=by.actor, traceparent=by.traceparent)
    try:
        found = await inbox.describe(owner, letter.collaboration)
    except UnknownCollaborationError:
        return _of_unknown(letter)
    except (NoAnswerError, AppendUnknownError, RequestFaultsError):
        return ("the orchestrator did not say what its collaboration is doing",)
    if found.view.status not in TERMINAL_STATUSES:
        return ()
    told = f"its collaboration has ended ({found.view.status}): this changes nothing about it"
    if letter.topic in _TASKS:
        told += ", but a worker may run the task once more, and pay for it"
    return (told,)


def _of_unknown(letter: Letter) -> tuple[str, ...]:
    """Of a collaboration that is not there yet; the letter may be what asks for it."""
    if letter.type == "facilitair.collaboration.requested.v1":
        return ()
    return ("its collaboration does not exist: nothing comes of this unless it is requested first",)
