"""Typed HTTP client with streams that resume by themselves."""

from facilitair_client.administration import (
    Administration,
    Identity,
    IssuedKey,
    Key,
    Logic,
    Tenant,
)
from facilitair_client.backoff import Patience
from facilitair_client.client import Facilitair
from facilitair_client.dead_letters import DeadLetter, DeadLetters
from facilitair_client.errors import (
    ApiError,
    ClientError,
    ConnectionLostError,
    EventsMissingError,
    ProtocolError,
)
from facilitair_client.events import Event
from facilitair_client.providers import Provider, ProviderKey, Providers
from facilitair_client.results import (
    Agent,
    Call,
    Collaboration,
    Cost,
    Fault,
    Step,
    Submitted,
    Text,
    Totals,
    Usage,
    Workflow,
)
from facilitair_client.seen import Seen
from facilitair_client.transcript import StepTranscript, Transcript

__all__ = [
    "Administration",
    "Agent",
    "ApiError",
    "Call",
    "ClientError",
    "Collaboration",
    "ConnectionLostError",
    "Cost",
    "DeadLetter",
    "DeadLetters",
    "Event",
    "EventsMissingError",
    "Facilitair",
    "Fault",
    "Identity",
    "IssuedKey",
    "Key",
    "Logic",
    "Patience",
    "ProtocolError",
    "Provider",
    "ProviderKey",
    "Providers",
    "Seen",
    "Step",
    "StepTranscript",
    "Submitted",
    "Tenant",
    "Text",
    "Totals",
    "Transcript",
    "Usage",
    "Workflow",
]
