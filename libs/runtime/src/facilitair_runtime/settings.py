"""Settings of a service: one frozen class from composed groups, read once, all faults told at once.

A service declares ``class XSettings(BaseSettings)`` with ``model_config = config("x")``, fields of
the groups below and its own. Nothing but ``load`` and ``read`` read the environment.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_origin

import pydantic_settings
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from facilitair_events.layout import checkout_root
from facilitair_messaging.crash_points import spec_faults
from facilitair_messaging.rejections import RejectionLimit
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.liveness import Limits
from facilitair_runtime.variables import PREFIX, SHARED_NAMES, prefix, prefixes, unknown_names

S = TypeVar("S", bound=BaseSettings)


def _home() -> Path:
    return checkout_root() / ".facilitair"


Home = Annotated[
    Path,
    Field(
        default_factory=_home,
        validation_alias=f"{PREFIX}HOME",
        description="Folder of all state of this machine; default is .facilitair in the checkout.",
    ),
]

LocalOnly = Annotated[
    bool,
    Field(
        validation_alias=f"{PREFIX}LOCAL_ONLY",
        description="Call models on this machine only: every other address is refused.",
    ),
]


class Group(BaseModel):
    """A group of settings; a service nests it under a name (``FACILITAIR_<SERVICE>_<NAME>__…``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProcessGroup(Group):
    """How a service process behaves as a process."""

    grace_s: float = Field(
        20.0, gt=1, description="Time between SIGTERM and SIGKILL, as the supervisor is told."
    )
    reserve_s: float = Field(
        3.0, gt=0, description="Part of grace_s that is kept for closing after work was cut off."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged; prompts and outputs only at DEBUG."
    )

    def deadline_s(self) -> float:
        """How long work in flight may go on after the stop."""
        return max(self.grace_s - self.reserve_s, 0.0)


class HealthGroup(Group):
    """When a service counts as wedged; see docs/how-to/watch-health.md."""

    silent_s: float = Field(
        5.0, gt=0, description="Time without a move of a loop after which the service is not live."
    )
    stuck_s: float = Field(
        60.0,
        gt=0,
        description="Time in which records wait and none is finished, after which it is not live.",
    )
    look_s: float = Field(
        5.0, gt=0, description="Time between two looks at the ends of the log, and for each."
    )

    def limits(self) -> Limits:
        """What the rule is told."""
        return Limits(silent_s=self.silent_s, stuck_s=self.stuck_s)


class RejectionsGroup(Group):
    """When a consumer stops that gives up too many records: the fault is then likely its own."""

    max_consecutive: int = Field(
        20, ge=0, description="Records of a partition that may be dead-lettered in a row."
    )
    max_ratio: float = Field(
        0.05, ge=0, description="Share of the last records of a partition that may be."
    )
    window: int = Field(400, ge=1, description="How many records that share is taken of.")

    def limit(self) -> RejectionLimit:
        """What the consumer is told."""
        return RejectionLimit(
            max_consecutive=self.max_consecutive, max_ratio=self.max_ratio, window=self.window
        )


class ReducerGroup(Group):
    """How a keyed reducer runs; none of these changes what it decides."""

    max_records: int = Field(64, ge=1, description="Records decided between two writes.")
    heartbeat_s: float = Field(
        3.0, gt=0, description="Longest time between two polls of the log, also while writing."
    )
    snapshot_interval_ms: int = Field(
        200, ge=1, description="Shortest time between two snapshots of a key."
    )
    scan_interval_s: float = Field(
        43_200.0, gt=0, description="Time between two scans that repair the order of snapshots."
    )
    produce_attempts: int = Field(
        8, ge=1, description="Attempts at writing a batch whose fate is unknown before we stop."
    )
    rebuild_timeout_s: float = Field(
        60.0, gt=0, description="Longest silence of the log while states are loaded."
    )


class Setting(Struct, frozen=True, kw_only=True):
    """One setting as people see it; the value of a secret is never shown."""

    name: str
    value: str
    origin: Literal["environment", "default"]
    description: str


def config(service: str) -> SettingsConfigDict:
    """The model configuration of the settings of ``service`` (its kebab-case id)."""
    return SettingsConfigDict(
        env_prefix=prefix(service),
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        populate_by_name=True,
    )


def load(settings: type[S], *, known: frozenset[str] | None = None, **overrides: Any) -> S:
    """Read the settings from the environment; ``overrides`` win over it.

    ``known`` names the variables of all other programs that the caller composes, so that every
    ``FACILITAIR_*`` is checked. Without it, those of other services are not this one's business.
    Raises SettingsError with every fault, unknown variables and crash points included.
    """
    faults = [*unknown_variables(os.environ, settings, known=known), *spec_faults(os.environ)]
    try:
        loaded = read(settings, **overrides)
    except SettingsError as error:
        raise SettingsError(faults=[*faults, *error.faults]) from None
    if faults:
        raise SettingsError(faults=faults)
    return loaded


def read(settings: type[S], **overrides: Any) -> S:
    """Read settings whose neighbours in the environment somebody else checks.

    Raises SettingsError with every fault of their own variables.
    """
    try:
        return settings(**overrides)
    except ValidationError as error:
        faults = [_told(settings, one) for one in error.errors(include_url=False)]
    except pydantic_settings.SettingsError as error:
        faults = list(_no_json(settings)) or [str(error)]
    raise SettingsError(faults=faults)


def names(settings: type[BaseSettings]) -> frozenset[str]:
    """Every variable that a settings class reads."""
    return frozenset(name for name, _, _ in _leaves(settings))


def unknown_variables(
    environ: Mapping[str, str],
    settings: type[BaseSettings],
    *,
    known: frozenset[str] | None = None,
) -> list[str]:
    """A fault for each ``FACILITAIR_*`` variable that nobody reads, with what it may have meant."""
    all_known = names(settings) | SHARED_NAMES | (known or frozenset())
    foreign = () if known is not None else _foreign_prefixes(settings)
    return unknown_names(environ, known=all_known, foreign=foreign)


def describe(settings: BaseSettings) -> list[Setting]:
    """Every setting of a service with its value and where that came from."""
    described = []
    for name, path, field in _leaves(type(settings)):
        value: Any = settings
        for part in path:
            value = getattr(value, part)
        described.append(
            Setting(
                name=name,
                value=str(value),
                origin="environment" if name in os.environ else "default",
                description=field.description or "",
            )
        )
    return described


Leaf = tuple[str, tuple[str, ...], FieldInfo]


def _leaves(settings: type[BaseSettings]) -> Iterator[Leaf]:
    yield from _walk(settings, str(settings.model_config["env_prefix"]), ())


def _walk(model: type[BaseModel], start: str, path: tuple[str, ...]) -> Iterator[Leaf]:  # noqa: PLR0917 - the accumulators of one private recursion
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"{start}{name}".upper()
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _walk(inner, f"{variable}__", (*path, name))
        else:
            yield variable, (*path, name), field


def _foreign_prefixes(settings: type[BaseSettings]) -> tuple[str, ...]:
    own = settings.model_config["env_prefix"]
    return tuple(sorted(prefixes() - {own}))


def _told(settings: type[BaseSettings], error: Any) -> str:
    """One validation error as the variable at fault, what is wrong, and what was given."""
    place = tuple(str(part) for part in error["loc"])
    secret = False
    variable = f"{settings.model_config['env_prefix']}{'__'.join(place)}".upper()
    for name, path, field in _leaves(settings):
        if place == (name,) or place[: len(path)] == path:
            # Inside of a list or table; parts with brackets are names of the validator's own.
            inner = [part for part in place[len(path) :] if "[" not in part]
            variable = f"{name} ({'.'.join(inner)})" if inner else name
            secret = _is_secret(field)
    if error["type"] == "missing":
        return f"{variable} must be set"
    given = "" if secret else f", not {error['input']!r}"
    return f"{variable}: {error['msg']}{given}"


def _no_json(settings: type[BaseSettings]) -> Iterator[str]:
    """A fault for each list or table that is not written as JSON."""
    for name, _, field in _leaves(settings):
        kind = get_origin(field.annotation)
        if name not in os.environ or not (isinstance(kind, type) and issubclass(kind, Collection)):
            continue
        try:
            json.loads(os.environ[name])
        except ValueError:
            example = '{"a": …}' if issubclass(kind, Mapping) else '["a", "b"]'
            yield f"{name} must be JSON such as {example}, not {os.environ[name]!r}"


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in getattr(field.annotation, "__args__", ())
