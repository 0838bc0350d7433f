"""Record keys: names joined by ``:``, and by ``|`` behind what chooses the partition (R18).

Every builder checks its parts and every parser what it returns: a key never means two things.
"""

import re
from typing import Final, Literal, get_args

from msgspec import Struct

from facilitair_events.errors import KeyFormatError

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
"""What tenants, collaborations, paths, agents and nonces look like; use ``fullmatch``."""

LedgerKind = Literal["claim", "renewal", "void", "done", "tick"]
LEDGER_KINDS: Final[tuple[LedgerKind, ...]] = get_args(LedgerKind)

_TASK_PARTS: Final = ("tenant", "collaboration", "path")
_CALL_PARTS: Final = ("call_id", "kind", "nonce")


class CallKey(Struct, frozen=True, kw_only=True):
    """A key of ``llm-calls`` taken apart."""

    tenant: str
    collaboration: str
    path: str
    call_id: str
    kind: str
    nonce: str


def checked_name(part: str, value: str) -> str:
    """``value`` itself. Raises KeyFormatError naming ``part`` when it is no NAME."""
    if NAME.fullmatch(value) is None:
        raise KeyFormatError(part=part, value=value, expected=f"text matching {NAME.pattern}")
    return value


def collaboration_key(tenant: str, collaboration: str) -> str:
    """The key of everything about one collaboration."""
    return f"{checked_name('tenant', tenant)}:{checked_name('collaboration', collaboration)}"


def task_key(  # noqa: PLR0917 - the order of the key
    tenant: str, collaboration: str, path: str
) -> str:
    """The key of the tasks of one step path (R17)."""
    return f"{collaboration_key(tenant, collaboration)}:{checked_name('path', path)}"


def call_key(  # noqa: PLR0917 - the order of the key
    task: str, call_id: str, kind: LedgerKind, nonce: str
) -> str:
    """The key of a ledger record; ``task`` is a task key and chooses the partition (R18)."""
    split_task_key(task)
    checked_name("call_id", call_id)
    return f"{task}|{call_id}|{_checked_kind(kind)}|{checked_name('nonce', nonce)}"


def credential_key(tenant: str, provider: str) -> str:
    """The key of what a tenant brought for a provider."""
    return f"{checked_name('tenant', tenant)}:{checked_name('provider', provider)}"


def split_credential_key(key: bytes | str) -> tuple[str, str]:
    """``(tenant, provider)`` of a credential's key. Raises KeyFormatError."""
    tenant, provider = _split(key, separator=":", names=("tenant", "provider"))
    return checked_name("tenant", tenant), checked_name("provider", provider)


def split_collaboration_key(key: bytes | str) -> tuple[str, str]:
    """``(tenant, collaboration)`` of a collaboration's key. Raises KeyFormatError."""
    tenant, collaboration = _split(key, separator=":", names=_TASK_PARTS[:2])
    return checked_name("tenant", tenant), checked_name("collaboration", collaboration)


def split_task_key(key: bytes | str) -> tuple[str, str, str]:
    """``(tenant, collaboration, path)`` of a task's key. Raises KeyFormatError."""
    parts = _split(key, separator=":", names=_TASK_PARTS)
    tenant, collaboration, path = map(checked_name, _TASK_PARTS, parts)
    return tenant, collaboration, path


def split_call_key(key: bytes | str) -> CallKey:
    """A ledger key taken apart. Raises KeyFormatError."""
    task, call, kind, nonce = _split(key, separator="|", names=("task key", *_CALL_PARTS))
    tenant, collaboration, path = split_task_key(task)
    return CallKey(
        tenant=tenant,
        collaboration=collaboration,
        path=path,
        call_id=checked_name("call_id", call),
        kind=_checked_kind(kind),
        nonce=checked_name("nonce", nonce),
    )


def _checked_kind(kind: str) -> str:
    if kind not in LEDGER_KINDS:
        raise KeyFormatError(part="kind", value=kind, expected=f"one of {', '.join(LEDGER_KINDS)}")
    return kind


def _split(key: bytes | str, *, separator: str, names: tuple[str, ...]) -> list[str]:
    expected = separator.join(names)
    if isinstance(key, bytes):
        try:
            key = key.decode()
        except UnicodeDecodeError as error:
            raise KeyFormatError(part="key", value=repr(key), expected=expected) from error
    parts = key.split(separator)
    if len(parts) != len(names):
        raise KeyFormatError(part="key", value=key, expected=expected)
    return parts
