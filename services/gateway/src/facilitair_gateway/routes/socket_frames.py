"""What clients and server say to each other on a WebSocket, beside the events. Pure."""

from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from facilitair_gateway import errors
from facilitair_gateway.amounts import NotAnAmountError, positive_amount
from facilitair_gateway.identifiers import CLIENT_KEY_RULE, is_client_key
from facilitair_gateway.routes.checks import MAX_REASON_CHARS
from facilitair_gateway.routes.problems import problem_of
from facilitair_gateway.socket_errors import (
    FrameInvalidError,
    FrameTypeUnknownError,
    FrameUnreadableError,
)


class CloseCode(IntEnum):
    """Why a socket ends. Numbers below 4000 are those of RFC 6455 and its registry."""

    DONE = 1000
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    TRY_AGAIN = 1013
    BAD_CURSOR = 4400
    UNAUTHORIZED = 4401
    UNKNOWN = 4404
    EXPIRED = 4410
    TOO_MANY_SUBSCRIPTIONS = 4429


class Cancel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End a collaboration; without a name, the one of the path."""

    collaboration: str | None = None
    client_id: str | None = None
    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARS)] | None = None


class Resume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Let a paused collaboration go on; without a name, the one of the path.

    ``budget`` takes the place of its own, in USD.
    """

    collaboration: str | None = None
    client_id: str | None = None
    budget: str | int | float | None = None

    @property
    def budget_usd(self) -> Decimal | None:
        """The budget. Raises FrameInvalidError for what is no amount over 0."""
        try:
            return None if self.budget is None else positive_amount(self.budget)
        except NotAnAmountError as error:
            raise FrameInvalidError(kind="resume", reason=f"budget {error}") from error


class Subscribe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send a collaboration's events too; again means from another place on."""

    collaboration: str
    cursor: str | None = None


class Unsubscribe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send no more of a collaboration's events."""

    collaboration: str


ClientFrame = Cancel | Resume | Subscribe | Unsubscribe

FRAMES: Final[dict[str, type[ClientFrame]]] = {
    "cancel": Cancel,
    "resume": Resume,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
}

_CLOSINGS: Final[dict[type[errors.GatewayError], CloseCode]] = {
    errors.ExpiredCursorError: CloseCode.EXPIRED,
    errors.CursorError: CloseCode.BAD_CURSOR,
    errors.UnknownCollaborationError: CloseCode.UNKNOWN,
    errors.UnauthenticatedError: CloseCode.UNAUTHORIZED,
    errors.ScopeMissingError: CloseCode.UNAUTHORIZED,
    errors.AppendUnknownError: CloseCode.TRY_AGAIN,
    errors.NoAnswerError: CloseCode.TRY_AGAIN,
    errors.NotReadyError: CloseCode.TRY_AGAIN,
}


def content_of(text: str) -> dict[str, Any]:
    """The JSON object of a message. Raises FrameUnreadableError."""
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FrameUnreadableError from error
    if not isinstance(content, dict):
        raise FrameUnreadableError
    return content


def frame_of(content: dict[str, Any]) -> ClientFrame:
    """The frame of a message. Raises FrameTypeUnknownError and FrameInvalidError."""
    kind = content.get("type")
    wanted = FRAMES.get(kind) if isinstance(kind, str) else None
    if wanted is None or not isinstance(kind, str):
        raise FrameTypeUnknownError(kind=kind, known=tuple(FRAMES))
    fields = {name: value for name, value in content.items() if name != "type"}
    try:
        frame = msgspec.convert(fields, wanted)
    except msgspec.ValidationError as error:
        raise FrameInvalidError(kind=kind, reason=str(error)) from error
    client_id = frame.client_id if isinstance(frame, Cancel | Resume) else None
    if client_id is not None and not is_client_key(client_id):
        raise FrameInvalidError(kind=kind, reason=f"client_id must be {CLIENT_KEY_RULE}")
    return frame


def ack(kind: str, collaboration: str, *, outcome: str, **more: str | None) -> bytes:
    """Tells that a frame was taken, and what came of it."""
    told = {"event": "ack", "type": kind, "collaboration": collaboration, "outcome": outcome}
    return msgspec.json.encode(told | more)


def refusal(error: Exception, about: dict[str, Any]) -> bytes:
    """Tells that the frame with the content ``about`` was not taken, and why."""
    problem = problem_of(error)
    told = {"event": "error", "code": problem.code, "message": problem.detail}
    named = {name: about.get(name) for name in ("type", "collaboration", "client_id")}
    return msgspec.json.encode(
        told | {name: value for name, value in named.items() if isinstance(value, str)}
    )


def closing_for(error: Exception) -> CloseCode:
    """The code that a socket is closed with which cannot begin because of ``error``."""
    for known, code in _CLOSINGS.items():
        if isinstance(error, known):
            return code
    return CloseCode.INTERNAL
