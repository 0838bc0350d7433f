"""What every route is given: who asks, and the parts of the gateway."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Depends, Request
from msgspec import Struct

from facilitair_events.definitions import Model
from facilitair_gateway.access import Access, require
from facilitair_gateway.accounts import Accounts
from facilitair_gateway.administration import Administration
from facilitair_gateway.credentials import Credentials
from facilitair_gateway.definitions import Catalog
from facilitair_gateway.entry_export import EntryExport
from facilitair_gateway.errors import UnknownCollaborationError
from facilitair_gateway.hub import StreamHub
from facilitair_gateway.identifiers import is_collaboration_id, uuid7
from facilitair_gateway.inbox import Inbox
from facilitair_gateway.letters.desk import LetterDesk
from facilitair_gateway.logic import LogicSwitch
from facilitair_gateway.model_rules import ModelRules
from facilitair_gateway.principal import ADMIN, Principal
from facilitair_gateway.routes.guard import principal_of
from facilitair_gateway.topic_admin import TopicAdmin
from facilitair_gateway.viewing import Viewing
from facilitair_runtime.artifacts import ArtifactStore


class Limits(Struct, frozen=True, kw_only=True):
    """How much a request may be."""

    max_body_bytes: int
    max_task_bytes: int


class Parts(Struct, frozen=True, kw_only=True):
    """What the routes work with. ``policy`` is stamped into every collaboration."""

    inbox: Inbox
    hub: StreamHub
    viewing: Viewing
    catalog: Catalog
    default_model: Model
    model_rules: ModelRules
    artifacts: ArtifactStore
    access: Access
    administration: Administration
    credentials: Credentials
    topics: TopicAdmin
    logic: LogicSwitch
    letters: LetterDesk
    limits: Limits
    accounts: Accounts
    entries: EntryExport
    policy: Mapping[str, str]
    now_ms: Callable[[], int]


def fresh_id() -> str:
    """An id that no other process gives; ids of later milliseconds sort behind."""
    return uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10))


async def parts_of(request: Request) -> Parts:
    """The parts that the app was built with."""
    parts: Parts = request.app.state.parts
    return parts


async def known_id(collaboration: str) -> str:
    """The id in a path; a text that is no id names nothing."""
    if not is_collaboration_id(collaboration):
        raise UnknownCollaborationError(collaboration=collaboration[:64])
    return collaboration


async def caller_of(request: Request) -> Principal:
    """Who asks. Every dependency is async: plain ones would each cost a thread."""
    return principal_of(request.scope)


async def administrator_of(request: Request) -> Principal:
    """Who asks for something that is an administrator's. Raises ScopeMissingError."""
    principal = principal_of(request.scope)
    require(principal, ADMIN)
    return principal


Caller = Annotated[Principal, Depends(caller_of)]
Administrator = Annotated[Principal, Depends(administrator_of)]
Gateway = Annotated[Parts, Depends(parts_of)]
CollaborationId = Annotated[str, Depends(known_id)]
