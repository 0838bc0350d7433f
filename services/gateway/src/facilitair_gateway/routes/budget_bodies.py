"""What clients write about budgets and the calls that they reconcile."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from facilitair_gateway.amounts import Usd

_MOST_LIMITS: Final = 200
_MOST_CORRECTIONS: Final = 1000
_MOST_SLOTS: Final = 1_000_000
_NAME_CHARS: Final = 200
_REASON_CHARS: Final = 1000


class NewLimit(BaseModel):
    """At most so much in a window, for one name of a scope or, with ``*``, for each of them."""

    model_config = ConfigDict(extra="forbid")

    scope: Literal["tenant", "project", "key", "collaboration", "agent"] = Field(
        description="What the limit is of; `key` is the API key that asks."
    )
    window: Literal["day", "month", "total"] = Field(
        description="Days and months are those of the budget's time zone."
    )
    usd: Usd
    name: str = Field("*", max_length=_NAME_CHARS, description="One name, or `*` for each.")
    kind: Literal["hard", "warning"] = Field(
        "hard", description="Hard refuses what would go over it, warning tells when it is reached."
    )


class NewSlots(BaseModel):
    """How many attempts of the tenant may run at once, by class."""

    model_config = ConfigDict(extra="forbid")

    interactive: int = Field(32, ge=1, le=_MOST_SLOTS)
    batch: int = Field(8, ge=1, le=_MOST_SLOTS)


class NewBudget(BaseModel):
    """The whole budget of a tenant; what is left out is as if it had never been set."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "timezone": "Europe/Berlin",
                    "limits": [
                        {"scope": "tenant", "window": "month", "usd": "100"},
                        {"scope": "agent", "name": "coder", "window": "day", "usd": "5"},
                        {"scope": "tenant", "window": "day", "usd": "3", "kind": "warning"},
                    ],
                    "slots": {"interactive": 16, "batch": 4},
                    "unpriced": "refuse",
                }
            ]
        },
    )

    timezone: str = Field("UTC", max_length=_NAME_CHARS, description="A name like Europe/Berlin.")
    limits: list[NewLimit] = Field([], max_length=_MOST_LIMITS)
    slots: NewSlots = Field(default_factory=NewSlots)
    unpriced: Literal["refuse", "allow"] = Field(
        "refuse",
        description="What becomes of calls of models without a known price under a hard limit.",
    )


class Correction(BaseModel):
    """What a call whose outcome was unknown did cost."""

    model_config = ConfigDict(extra="forbid")

    call_id: str = Field(max_length=_NAME_CHARS)
    cost_usd: Usd


class Reconciliation(BaseModel):
    """Calls to settle; when one of them cannot be, none is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "corrections": [
                        {"call_id": "1d0b0a52-8a8c-5a44-8f0e-4f6c0f9f7a10", "cost_usd": "0.0031"}
                    ],
                    "reason": "the provider's export of November",
                    "source": "export",
                }
            ]
        },
    )

    corrections: list[Correction] = Field(min_length=1, max_length=_MOST_CORRECTIONS)
    reason: str = Field(
        min_length=1, max_length=_REASON_CHARS, description="How it is known; kept with the entry."
    )
    source: Literal["export", "hand"] = "hand"
