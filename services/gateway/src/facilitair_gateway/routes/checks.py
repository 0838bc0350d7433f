"""Bodies that are more than their form: every fault of a request told at once."""

from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from facilitair_events.definitions import Definition
from facilitair_events.keys import NAME
from facilitair_events.requests import Fault
from facilitair_gateway.amounts import PositiveUsd
from facilitair_gateway.definitions import definition_for
from facilitair_gateway.errors import RequestFaultsError
from facilitair_gateway.identifiers import CLIENT_KEY_RULE, is_client_key
from facilitair_gateway.routes.bodies import checked
from facilitair_gateway.routes.callers import Parts
from facilitair_gateway.submission import text_faults
from facilitair_workflows.input_names import input_names
from facilitair_workflows.suggestions import near_miss

MAX_REASON_CHARS: Final = 1000
_NAME_CHARS: Final = 64
_MOST_FAULTS: Final = 20
"""Of one kind that are told; whoever sends more has sent the wrong thing."""

Plain = TypeVar("Plain", str, dict[str, Any])


class NewCollaboration(BaseModel):
    """What a collaboration is asked for with."""

    model_config = ConfigDict(extra="forbid")

    task: str = Field(description="What shall be done.")
    workflow: str = Field("code", description="A workflow by its name, or name@label.")
    inputs: dict[str, Any] = Field({}, description="Values that the workflow's templates use.")
    models: dict[str, str] = Field({}, description="For an agent, the one model it runs on.")
    project: str | None = Field(
        None, description="What it is filed under; by default what the key says, else `default`."
    )
    priority: Literal["interactive", "batch"] = Field(
        "interactive", description="Batch work goes behind interactive work."
    )
    budget: PositiveUsd | None = Field(
        None,
        description="The most that it may cost, in USD; the workflow's own stands beside it.",
    )


class NewEstimate(BaseModel):
    """What shall be estimated; the fields are those that it would be asked for with."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"task": "Write a rate limiter, with tests", "workflow": "code"}]
        },
    )

    task: str = Field(description="What would be done.")
    workflow: str = Field("code", description="A workflow by its name, or name@label.")
    inputs: dict[str, Any] = Field({}, description="Values that the workflow's templates use.")
    models: dict[str, str] = Field({}, description="For an agent, the one model it runs on.")


class Control(BaseModel):
    """What shall happen to a running or paused collaboration."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"action": "cancel", "reason": "no longer needed"},
                {"action": "resume", "budget": "2.50"},
            ]
        },
    )

    action: Literal["cancel", "resume"] = Field(
        description="Cancel stops paid generation within one chunk. Resume lets one that was paused"
        " for want of money ask for it again."
    )
    reason: str | None = Field(
        None, max_length=MAX_REASON_CHARS, description="Of a cancel: why; shown with the end."
    )
    budget: PositiveUsd | None = Field(
        None, description="Of a resume: takes the place of the collaboration's own budget, in USD."
    )
    client_id: str | None = Field(
        None, description="Makes a repeated request a duplicate; by default each counts."
    )


def checked_submit(
    content: Any, idempotency_key: str | None, *, gateway: Parts, tenant: str
) -> tuple[NewCollaboration, Definition]:
    """The body and the workflow that it names, resolved. Raises RequestFaultsError."""
    body, faults = checked(NewCollaboration, content)
    if isinstance(content, dict):
        # What can be read is checked, even when another field is wrong.
        project = _readable(content, "project", default="default")
        faults += _key_faults(idempotency_key, field="Idempotency-Key")
        faults += _name_faults(project, field="project")
        definition = _work_of(content, faults, gateway=gateway, tenant=tenant)
        if body is not None and definition is not None and not faults:
            return body, definition
    raise RequestFaultsError(faults=tuple(faults))


def checked_estimate(
    content: Any, *, gateway: Parts, tenant: str
) -> tuple[NewEstimate, Definition]:
    """The body and the workflow that it names, resolved. Raises RequestFaultsError."""
    body, faults = checked(NewEstimate, content)
    if isinstance(content, dict):
        definition = _work_of(content, faults, gateway=gateway, tenant=tenant)
        if body is not None and definition is not None and not faults:
            return body, definition
    raise RequestFaultsError(faults=tuple(faults))


def checked_control(content: Any) -> Control:
    """The body of a control request. Raises RequestFaultsError."""
    body, faults = checked(Control, content)
    if isinstance(content, dict):
        client_id = content.get("client_id")
        faults += _key_faults(client_id if isinstance(client_id, str) else None, field="client_id")
        faults += _misplaced(content)
    if body is None or faults:
        raise RequestFaultsError(faults=tuple(faults))
    return body


def _work_of(
    content: dict[str, Any], faults: list[Fault], *, gateway: Parts, tenant: str
) -> Definition | None:
    """The workflow of a body whose task and inputs are checked too; what is wrong is added."""
    inputs = _readable(content, "inputs", default={})
    if isinstance(content.get("task"), str):
        faults += text_faults(
            task=content["task"], inputs=inputs, max_task_bytes=gateway.limits.max_task_bytes
        )
    definition = _resolved(content, faults, gateway=gateway, tenant=tenant)
    if definition is not None and not any(fault.field == "inputs" for fault in faults):
        faults += _input_faults(inputs, definition)
    return definition


def key_faults(key: str | None) -> list[Fault]:
    """What is wrong with an ``Idempotency-Key``."""
    return _key_faults(key, field="Idempotency-Key")


def _misplaced(content: dict[str, Any]) -> list[Fault]:
    """Fields that the action does not read: who sends one means something else."""
    of = {"reason": "cancel", "budget": "resume"}
    return [
        Fault(code="invalid_field", message=f"{name!r} is only of {action!r}", field=name)
        for name, action in of.items()
        if content.get(name) is not None
        and content.get("action") in {"cancel", "resume"} - {action}
    ]


def _resolved(
    content: dict[str, Any], faults: list[Fault], *, gateway: Parts, tenant: str
) -> Definition | None:
    overrides = _readable(content, "models", default={})
    try:
        return definition_for(
            gateway.catalog,
            tenant=tenant,
            workflow=_readable(content, "workflow", default="code"),
            overrides={a: model for a, model in overrides.items() if isinstance(model, str)},
            default_model=gateway.default_model,
            rules=gateway.model_rules,
        )
    except RequestFaultsError as error:
        faults += error.faults
        return None


def _input_faults(inputs: dict[str, Any], definition: Definition) -> list[Fault]:
    """An input that no step reads is one that was misspelt, or meant for another workflow."""
    named = input_names(definition)
    if named is None:
        return []
    known = f"it reads {', '.join(sorted(named))}" if named else "it reads none"
    return [
        Fault(
            code="unknown_input",
            message=(
                f"the workflow {definition.workflow!r} has no input"
                f" {name[:_NAME_CHARS]!r}{near_miss(name, named)}; {known}"
            ),
            field=f"inputs.{name[:_NAME_CHARS]}",
        )
        for name in sorted(inputs.keys() - named)[:_MOST_FAULTS]
    ]


def _readable(content: dict[str, Any], field: str, *, default: Plain) -> Plain:
    value = content.get(field, default)
    return value if isinstance(value, type(default)) else default


def _key_faults(key: str | None, *, field: str) -> list[Fault]:
    if key is None or is_client_key(key):
        return []
    message = f"{field!r} must be {CLIENT_KEY_RULE}"
    return [Fault(code="invalid_field", message=message, field=field)]


def _name_faults(name: str, *, field: str) -> list[Fault]:
    if NAME.fullmatch(name) is not None and len(name) <= _NAME_CHARS:
        return []
    message = f"{field!r} must match {NAME.pattern} and have at most {_NAME_CHARS} characters"
    return [Fault(code="invalid_field", message=message, field=field)]
