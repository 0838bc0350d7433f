"""Errors over HTTP: problem+json (RFC 9457) with the OpenAI ``error`` object beside it."""

from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facilitair_events.requests import Fault
from facilitair_gateway import errors, refusals, socket_errors
from facilitair_gateway.api_keys import redacted
from facilitair_observability.redaction import without_secrets

log = structlog.get_logger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
_TYPE: Final = "urn:facilitair:problem:"
_RETRY_AFTER_S: Final = 1


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One error as a client sees it. ``errors`` has every fault when there may be several."""

    status: int
    code: str
    detail: str
    faults: tuple[Fault, ...] = ()
    headers: dict[str, str] = {}

    def body(self, instance: str) -> bytes:
        """The JSON of the problem for a request to ``instance``."""
        shown = [
            {"code": fault.code, "message": fault.message, "field": fault.field}
            for fault in self.faults
        ]
        kind = "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else _kind(self)
        return msgspec.json.encode(
            {
                "type": _TYPE + self.code,
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "code": self.code,
                "detail": self.detail,
                "instance": instance,
                "errors": shown,
                "error": {
                    "message": self.detail,
                    "type": kind,
                    "param": self.faults[0].field if self.faults else None,
                    "code": self.code,
                },
            }
        )


def problem_of(error: Exception) -> Problem:
    """The problem of an error; what is not known here is a 500 that tells nothing."""
    if isinstance(error, errors.RequestFaultsError):
        return _faulty(error)
    if isinstance(error, HTTPException):
        return _from_http(error)
    for known, (status, code) in _STATUS.items():
        if isinstance(error, known):
            found = getattr(error, "code", None) or code
            return Problem(
                status=status, code=found, detail=str(error), headers=_HEADERS.get(status, {})
            )
    return Problem(
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal",
        detail="something went wrong here; it was logged, try again",
    )


def respond(problem: Problem, instance: str) -> Response:
    """The response that tells a problem."""
    return Response(
        # Who pastes a key into the wrong place must not find it in a log of answers.
        redacted(problem.body(without_secrets(instance)).decode()).encode(),
        status_code=problem.status,
        media_type=PROBLEM_JSON,
        headers={"cache-control": "no-store", **problem.headers},
    )


def install(app: FastAPI) -> None:
    """Tell every error of the app's routes as a problem."""

    async def tell(request: Request, error: Exception) -> Response:
        return respond(problem_of(error), request.url.path)

    app.add_exception_handler(HTTPException, tell)
    app.add_exception_handler(errors.GatewayError, tell)
    app.add_exception_handler(Exception, tell)


class LastResort:
    """Turns what nobody handled into a 500 without a trace, and logs it once.

    A response that was begun cannot be taken back: the server cuts its connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: PLR0917 - ASGI
        started = complete = False

        async def watched(message: Message) -> None:
            nonlocal started, complete
            await send(message)
            started = True
            body = message["type"] == "http.response.body"
            complete = body and not message.get("more_body", False)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            log.exception("request failed", method=scope["method"], path=redacted(scope["path"]))
            if started and not complete:
                raise
            if not started:
                await send_problem(problem_of(error), scope, send=send)


async def send_problem(problem: Problem, scope: Scope, *, send: Send) -> None:
    """Tell a problem from a raw ASGI handler."""
    response = respond(problem, scope["path"])
    await response(scope, _nothing, send)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


_STATUS: Final[dict[type[errors.GatewayError], tuple[HTTPStatus, str]]] = {
    errors.ExpiredCursorError: (HTTPStatus.GONE, "cursor_expired"),
    errors.CursorError: (HTTPStatus.BAD_REQUEST, "cursor_malformed"),
    errors.UnknownCollaborationError: (HTTPStatus.NOT_FOUND, "not_found"),
    errors.KeyMissingError: (HTTPStatus.UNAUTHORIZED, "key_missing"),
    errors.KeyInvalidError: (HTTPStatus.UNAUTHORIZED, "key_invalid"),
    errors.TooManyGuessesError: (HTTPStatus.TOO_MANY_REQUESTS, "too_many_guesses"),
    errors.NotLocalError: (HTTPStatus.UNAUTHORIZED, "key_missing"),
    errors.ScopeMissingError: (HTTPStatus.FORBIDDEN, "scope_missing"),
    errors.UnknownTenantError: (HTTPStatus.NOT_FOUND, "tenant_not_found"),
    errors.UnknownProviderError: (HTTPStatus.NOT_FOUND, "provider_not_found"),
    errors.UnknownCredentialError: (HTTPStatus.NOT_FOUND, "provider_key_not_found"),
    errors.UnknownKeyError: (HTTPStatus.NOT_FOUND, "key_not_found"),
    errors.UnknownModelError: (HTTPStatus.NOT_FOUND, "model_not_found"),
    errors.UnknownLetterError: (HTTPStatus.NOT_FOUND, "letter_not_found"),
    errors.LetterUnsureError: (HTTPStatus.SERVICE_UNAVAILABLE, "not_confirmed"),
    errors.LettersUnreadError: (HTTPStatus.SERVICE_UNAVAILABLE, "letters_unread"),
    errors.ConflictError: (HTTPStatus.CONFLICT, "conflict"),
    socket_errors.FrameTypeUnknownError: (HTTPStatus.BAD_REQUEST, "frame_type_unknown"),
    socket_errors.FrameError: (HTTPStatus.BAD_REQUEST, "frame_invalid"),
    socket_errors.NotSubscribedError: (HTTPStatus.BAD_REQUEST, "not_subscribed"),
    socket_errors.OriginForeignError: (HTTPStatus.FORBIDDEN, "origin_foreign"),
    socket_errors.NoSuchSocketError: (HTTPStatus.NOT_FOUND, "not_found"),
    socket_errors.NotWebSocketError: (HTTPStatus.UPGRADE_REQUIRED, "websocket_only"),
    errors.AppendUnknownError: (HTTPStatus.SERVICE_UNAVAILABLE, "not_confirmed"),
    refusals.LogRefusesError: (HTTPStatus.SERVICE_UNAVAILABLE, "log_refuses"),
    errors.LogSilentError: (HTTPStatus.SERVICE_UNAVAILABLE, "log_silent"),
    errors.NoAnswerError: (HTTPStatus.SERVICE_UNAVAILABLE, "no_answer"),
    errors.AccountsAwayError: (HTTPStatus.SERVICE_UNAVAILABLE, "accounts_away"),
    errors.BudgetChangedError: (HTTPStatus.PRECONDITION_FAILED, "budget_changed"),
    errors.TooManyExportsError: (HTTPStatus.SERVICE_UNAVAILABLE, "too_many_exports"),
    errors.NotReadyError: (HTTPStatus.SERVICE_UNAVAILABLE, "not_ready"),
    errors.BodyTooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large"),
    errors.MalformedBodyError: (HTTPStatus.BAD_REQUEST, "body_malformed"),
}
_HEADERS: Final = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"retry-after": str(_RETRY_AFTER_S)},
    HTTPStatus.TOO_MANY_REQUESTS: {"retry-after": str(_RETRY_AFTER_S)},
    HTTPStatus.UNAUTHORIZED: {"www-authenticate": "Bearer"},
    HTTPStatus.UPGRADE_REQUIRED: {"upgrade": "websocket", "connection": "upgrade"},
}
_KINDS: Final = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
}
_TOO_LARGE: Final = frozenset({"task_too_large", "inputs_too_large"})
_HTTP_CODES: Final = {
    HTTPStatus.NOT_FOUND: ("not_found", "there is nothing at this path; see /openapi.json"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "this path does not take this method"),
}


def _faulty(error: errors.RequestFaultsError) -> Problem:
    """413 when size is all that is wrong, else 422."""
    faults = error.faults
    large = all(fault.code in _TOO_LARGE for fault in faults)
    return Problem(
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE if large else HTTPStatus.UNPROCESSABLE_ENTITY,
        code=faults[0].code if len(faults) == 1 else "request_invalid",
        detail=str(error),
        faults=faults,
    )


def _from_http(error: HTTPException) -> Problem:
    status = HTTPStatus(error.status_code)
    code, detail = _HTTP_CODES.get(status, ("http_error", str(error.detail)))
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return Problem(status=status, code=code, detail=detail, headers=headers)


def _kind(problem: Problem) -> str:
    return _KINDS.get(HTTPStatus(problem.status), "invalid_request_error")
