"""What it means to a client that the log refuses a record."""

import structlog

from facilitair_events.requests import Fault
from facilitair_gateway.errors import GatewayError, RequestFaultsError
from facilitair_messaging.errors import RecordRefusedError, RecordTooLargeError

log = structlog.get_logger(__name__)


class LogRefusesError(GatewayError):
    """The log refuses whatever is sent: its settings or permissions are wrong, not the request."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"the log takes no requests: {reason}; nothing was recorded."
            " An operator must put it right; then send it again"
        )


def refusal_of(error: RecordRefusedError) -> GatewayError:
    """Whose fault a refusal is: the request's when it is too large, else the operator's."""
    if isinstance(error, RecordTooLargeError):
        return RequestFaultsError(faults=(unusable(str(error)),))
    log.error("log refuses records", topic=error.topic, reason=str(error))
    return LogRefusesError(reason=str(error))


def unusable(reason: str) -> Fault:
    """The fault of a request that no record can hold."""
    return Fault(code="request_unusable", message=f"the request cannot be recorded: {reason}")
