"""What this service raises."""

from decimal import Decimal

from facilitair_events.requests import Fault
from facilitair_llm.errors import ProviderError
from facilitair_messaging.errors import PermanentError


class WorkerError(Exception):
    """Root of what this package raises."""


class AttemptFaultError(WorkerError):
    """An attempt cannot go on; ``fault`` is what its report says.

    ``needed_usd`` is what its call may cost, where that is more than was set aside.
    """

    def __init__(self, *, fault: Fault, needed_usd: Decimal | None = None) -> None:
        self.fault = fault
        self.needed_usd = needed_usd
        super().__init__(f"{fault.code}: {fault.message}")


class ForeignTaskError(WorkerError, PermanentError):
    """A task lies under a key that is not its own: whose money it would cost is not known."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the task is not of its key: {reason}")


class UnknownProviderError(WorkerError):
    """A task asks for a provider that is not set up here."""

    def __init__(self, *, provider: str, known: tuple[str, ...]) -> None:
        self.provider = provider
        super().__init__(f"provider {provider!r} is not set up here; there is {', '.join(known)}")


class TenantKeyError(WorkerError, ProviderError):
    """A call would need a key of its tenant, and there is none that can be used."""

    def __init__(self, *, tenant: str, provider: str, problem: str) -> None:
        told = f"the key of tenant {tenant} for {provider} {problem}"
        ProviderError.__init__(self, kind="authentication", message=told, sent=False)


class RenewalTooRareError(WorkerError, ValueError):
    """A live claimant would be taken for dead; a ValueError so that the setting is named."""

    def __init__(self, *, lease_s: float) -> None:
        super().__init__(f"must be at most half of lease_s ({lease_s:g}), so that one may be late")


class WaitTooLongError(WorkerError, ValueError):
    """A task would wait for a rate limit for longer than others are without news of it."""

    def __init__(self, *, wait_s: float) -> None:
        super().__init__(f"must be at least three times rates.wait_s ({wait_s:g})")


class KeptForEverError(WorkerError):
    """A topic that this service remembers in memory must expire."""

    def __init__(self, *, topic: str) -> None:
        super().__init__(f"topic {topic!r} has no retention; its records are remembered in memory")
