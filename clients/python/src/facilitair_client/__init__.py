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
from facilitair_client.entries import EntryLine
from facilitair_client.errors import (
    ApiError,
    ClientError,
    ConnectionLostError,
    EventsMissingError,
    ProtocolError,
)
from facilitair_client.estimates import CountRange, Estimate, StepEstimate, UsdRange
from facilitair_client.events import Event
from facilitair_client.money import (
    Account,
    Budget,
    BudgetWarning,
    Limit,
    LimitStanding,
    Money,
    SlotLimits,
    Slots,
    UnknownCall,
    UsageReport,
    UsageRow,
)
from facilitair_client.providers import Provider, ProviderKey, Providers
from facilitair_client.results import (
    Agent,
    Call,
    Charged,
    Collaboration,
    Cost,
    Fault,
    Refusal,
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
    "Account",
    "Administration",
    "Agent",
    "ApiError",
    "Budget",
    "BudgetWarning",
    "Call",
    "Charged",
    "ClientError",
    "Collaboration",
    "ConnectionLostError",
    "Cost",
    "CountRange",
    "DeadLetter",
    "DeadLetters",
    "EntryLine",
    "Estimate",
    "Event",
    "EventsMissingError",
    "Facilitair",
    "Fault",
    "Identity",
    "IssuedKey",
    "Key",
    "Limit",
    "LimitStanding",
    "Logic",
    "Money",
    "Patience",
    "ProtocolError",
    "Provider",
    "ProviderKey",
    "Providers",
    "Refusal",
    "Seen",
    "SlotLimits",
    "Slots",
    "Step",
    "StepEstimate",
    "StepTranscript",
    "Submitted",
    "Tenant",
    "Text",
    "Totals",
    "Transcript",
    "UnknownCall",
    "Usage",
    "UsageReport",
    "UsageRow",
    "UsdRange",
    "Workflow",
]
