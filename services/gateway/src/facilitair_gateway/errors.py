"""What the gateway raises about what it was asked, in words for the one who asked."""

from facilitair_events.requests import Fault


class GatewayError(Exception):
    """Root of what this package raises."""


class DefinitionsNotShownError(GatewayError):
    """What was applied does not come back from the catalog; the next start writes it again."""

    def __init__(self, *, missing: tuple[str, ...], within_s: float) -> None:
        count, keys = len(missing), ", ".join(missing[:3])
        super().__init__(f"the catalog did not show {count} records in {within_s:g} s: {keys}")


class CursorError(GatewayError):
    """A cursor cannot be used. ``code`` says why; the message says what to do instead."""

    def __init__(self, *, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class MalformedCursorError(CursorError):
    """A cursor is not of the form that the stream hands out."""

    def __init__(self) -> None:
        super().__init__(
            code="cursor_malformed",
            message=(
                "a cursor looks like 3-1204-17; use the id of the last event as it was received,"
                " or leave it out to read from the start"
            ),
        )


class ForeignCursorError(CursorError):
    """A cursor was handed out for another collaboration."""

    def __init__(self) -> None:
        super().__init__(
            code="cursor_foreign",
            message=(
                "the cursor belongs to another collaboration; use one of this stream,"
                " or leave it out to read from the start"
            ),
        )


class FutureCursorError(CursorError):
    """A cursor points past the end of the stream."""

    def __init__(self) -> None:
        super().__init__(
            code="cursor_future",
            message=(
                "the cursor points past the end of the stream, so this server never sent it;"
                " leave it out to read from the start"
            ),
        )


class ExpiredCursorError(CursorError):
    """What a cursor points at has expired."""

    def __init__(self) -> None:
        super().__init__(
            code="cursor_expired",
            message="the stream has expired here; describing the collaboration still works",
        )


class EventsMissingError(ExpiredCursorError):
    """Events are lost, or not fit to be sent; behind ``cursor`` the record goes on."""

    def __init__(self, *, cursor: str) -> None:
        CursorError.__init__(
            self,
            code="events_missing",
            message=f"events are missing here; those behind them begin at cursor={cursor}",
        )


class LogicUnknownError(GatewayError):
    """The catalog does not say which version of ``decide`` new collaborations keep."""

    def __init__(self, *, key: str) -> None:
        super().__init__(f"catalog record {key!r} is missing or names no version number")


class RequestFaultsError(GatewayError):
    """A request is wrong in one or more ways. ``faults`` lists all of them."""

    def __init__(self, *, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(fault.message for fault in faults))


class UnknownCollaborationError(GatewayError):
    """There is no such collaboration, or it belongs to somebody else."""

    def __init__(self, *, collaboration: str) -> None:
        self.collaboration = collaboration
        super().__init__(f"there is no collaboration {collaboration}")


class ConflictError(GatewayError):
    """A request contradicts what is already so."""

    def __init__(self, *, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class AppendUnknownError(GatewayError):
    """The log did not confirm a record in time: it may or may not be there."""

    def __init__(self, *, timeout_s: float) -> None:
        super().__init__(
            f"the log did not confirm the request within {timeout_s:g} s; it may have been taken:"
            " send it again with the same Idempotency-Key (or client_id)"
        )


class LogSilentError(GatewayError):
    """The log did not answer a question in time."""

    def __init__(self, *, timeout_s: float) -> None:
        super().__init__(f"the log did not answer within {timeout_s:g} s; try again")


class NoAnswerError(GatewayError):
    """Nobody answered a question in time."""

    def __init__(self, *, timeout_s: float) -> None:
        super().__init__(
            f"the orchestrator did not answer within {timeout_s:g} s; nothing is lost, ask again"
        )


class AccountsAwayError(GatewayError):
    """Nobody who keeps accounts answered in time. ``recorded``: the log has what was asked."""

    def __init__(self, *, timeout_s: float, recorded: bool) -> None:
        what = (
            "the change is recorded and counts as soon as accounts is back: send it again with the"
            " same Idempotency-Key to learn what became of it"
            if recorded
            else "nothing is lost, ask again; until then nothing starts that would have to be paid"
        )
        super().__init__(f"accounts did not answer within {timeout_s:g} s; {what}")


class BudgetChangedError(GatewayError):
    """A budget is not the one any more that a change was made to."""

    def __init__(self) -> None:
        super().__init__(
            "somebody else changed the budget since it was read; read it again and change that one"
        )


class TooManyExportsError(GatewayError):
    """As many exports run as this gateway serves at once."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"{limit} exports are being read here already; try again when one has ended"
        )


class NotReadyError(GatewayError):
    """The gateway cannot serve this yet, or no longer."""

    def __init__(self) -> None:
        super().__init__("the gateway is starting or stopping; try again in a moment")


class BodyTooLargeError(GatewayError):
    """A request body is larger than this server reads."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes; shorten it")


class MalformedBodyError(GatewayError):
    """A request body is not JSON."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the body is not valid JSON: {reason}")


class UnauthenticatedError(GatewayError):
    """Nobody knows who asks."""


class KeyMissingError(UnauthenticatedError):
    """A request came without a key."""

    def __init__(self) -> None:
        super().__init__("an API key is needed; send it as 'Authorization: Bearer <key>'")


class KeyInvalidError(UnauthenticatedError):
    """A key is wrong, cut off, expired or revoked. Which of these is nobody's business."""

    def __init__(self) -> None:
        super().__init__("the API key is not valid; ask an administrator for another one")


class TooManyGuessesError(GatewayError):
    """Too many wrong keys came from one address."""

    def __init__(self) -> None:
        super().__init__("too many wrong API keys came from this address; wait, and check yours")


class NotLocalError(UnauthenticatedError):
    """There is no key yet, and who asks is not a program of this machine."""

    def __init__(self) -> None:
        super().__init__(
            "there are no API keys here yet, so only programs of the gateway's own machine are"
            " served; create one there: facilitair keys create --scope admin"
        )


class ScopeMissingError(GatewayError):
    """A key is good, and does not allow this."""

    def __init__(self, *, scope: str) -> None:
        super().__init__(f"this API key does not have the scope {scope!r} that this needs")


class UnknownTenantError(GatewayError):
    """There is no such tenant."""

    def __init__(self) -> None:
        super().__init__("there is no tenant of this name; facilitair tenants ls shows them all")


class UnknownKeyError(GatewayError):
    """There is no key of such an id."""

    def __init__(self) -> None:
        super().__init__("there is no key of this id; facilitair keys ls shows them all")


class UnknownProviderError(GatewayError):
    """A provider is not set up here."""

    def __init__(self, *, known: tuple[str, ...]) -> None:
        super().__init__(f"this provider is not set up here; there is {', '.join(known)}")


class UnknownCredentialError(GatewayError):
    """A tenant has no key of its own for a provider."""

    def __init__(self, *, provider: str) -> None:
        super().__init__(
            f"this tenant has no key of its own for {provider};"
            f" set one: facilitair providers set-key {provider}"
        )


class UnknownModelError(GatewayError):
    """There is no model of such a name."""

    def __init__(self, *, model: str, advice: str) -> None:
        super().__init__(f"there is no model {model!r}{advice}")


class UnknownLetterError(GatewayError):
    """There is no dead letter of such an id, or not any more."""

    def __init__(self) -> None:
        super().__init__(
            "there is no dead letter of this id; facilitair dlq ls shows those there are,"
            " and after 29 days they are gone"
        )


class LettersUnreadError(GatewayError):
    """Dead letters could not be read in time; what was read is remembered."""

    def __init__(self, *, topic: str) -> None:
        super().__init__(f"{topic} is long and still being read; ask again in a moment")


class LetterUnsureError(GatewayError):
    """The log did not confirm what was to be done about a dead letter."""

    def __init__(self, *, letter: str, timeout_s: float) -> None:
        super().__init__(
            f"the log did not confirm it within {timeout_s:g} s, so it may or may not be done;"
            f" facilitair dlq show {letter} tells what was noted, and while it is open it may be"
            " put back again without harm"
        )
