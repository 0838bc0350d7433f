"""The exceptions of this package."""

from typing import Literal

from facilitair_llm.secret import Secret

ProviderErrorKind = Literal[
    "rate_limited",
    "overloaded",
    "unavailable",
    "timeout",
    "truncated",
    "malformed",
    "address_refused",
    "authentication",
    "invalid_request",
    "context_length",
    "content_filter",
    "refused_by_provider",
    "quota",
]
RETRYABLE_KINDS: frozenset[ProviderErrorKind] = frozenset(
    {"rate_limited", "overloaded", "unavailable", "timeout", "truncated", "malformed"}
)
DECLINED_KINDS: frozenset[ProviderErrorKind] = frozenset(
    {
        "rate_limited",
        "overloaded",
        "authentication",
        "invalid_request",
        "context_length",
        "quota",
    }
)
MAX_MESSAGE_CHARACTERS = 400


class LlmError(Exception):
    """The root of this package's exceptions."""


class ProviderError(LlmError):
    """A call to a provider that did not end in a complete answer.

    `message` is bounded and holds no credential.
    `retry_after_s` is the provider's own wish, capped; None when it has none.
    `retryable` says that the same request may succeed later; it does not say that nothing was paid.
    `sent` is False when the request never reached a server.
    """

    def __init__(
        self,
        *,
        kind: ProviderErrorKind,
        message: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        sent: bool = True,
    ) -> None:
        self.kind: ProviderErrorKind = kind
        self.sent = sent
        self.status = status
        self.message = message[:MAX_MESSAGE_CHARACTERS]
        self.retry_after_s = retry_after_s
        self.retryable = kind in RETRYABLE_KINDS
        super().__init__(self._told())

    def hide(self, secret: Secret) -> None:
        """Take a credential out of the message, which may quote what the provider was sent.

        What led to the error is forgotten: a broken header or document is quoted there as it came.
        """
        self.message = secret.hidden_in(self.message)
        self.args = (self._told(),)
        self.__cause__ = self.__context__ = None

    def _told(self) -> str:
        where = "" if self.status is None else f" (HTTP {self.status})"
        return f"{self.kind}{where}: {self.message}"

    @property
    def declined(self) -> bool:
        """Whether no answer was ever begun; before any text that means that nothing is to pay."""
        return not self.sent or self.kind in DECLINED_KINDS


class CatalogError(LlmError):
    """The model files have faults; each of `faults` begins with file and line."""

    def __init__(self, *, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("the models cannot be used:\n" + "\n".join(faults))


class EndpointsError(LlmError):
    """The environment does not say which provider to call; each of `faults` says what to set."""

    def __init__(self, *, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("the model providers are not set up:\n" + "\n".join(faults))


class DialectError(LlmError):
    """A dialect cannot be used; `problem` says why."""

    def __init__(self, *, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(f"dialect {name!r}: {problem}")


class SealError(LlmError):
    """A credential cannot be sealed or opened; `problem` says why and quotes nothing of it."""

    def __init__(self, *, problem: str) -> None:
        self.problem = problem
        super().__init__(f"the credential cannot be used: {problem}")


class AddressRefusedError(LlmError, PermissionError):
    """The rules of the network refuse an address; an OSError, so that another one may be tried."""
