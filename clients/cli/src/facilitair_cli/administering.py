"""What ``tenants``, ``keys`` and ``logic`` do. A key itself is printed once, and only to stdout."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from facilitair_cli.attaching import Attachment
from facilitair_cli.exits import ExitCode
from facilitair_cli.screens import json_text, note
from facilitair_cli.talking import ask, ask_once
from facilitair_cli.terminal_text import one_line
from facilitair_client import IssuedKey, Key, Logic, Tenant

_NAME_CHARS: Final = 40


async def create_tenant(
    tenant: str, attached: Attachment, *, name: str | None, as_json: bool
) -> int:
    """Create a tenant and tell it."""
    made = await ask_once(attached, lambda client: client.admin.create_tenant(tenant, name=name))
    return _tell(made, [_tenant_line(made)], as_json=as_json)


async def list_tenants(attached: Attachment, *, as_json: bool) -> int:
    """Tell all tenants."""
    rows = await ask(attached, lambda client: client.admin.tenants())
    return _tell(rows, map(_tenant_line, rows), as_json=as_json)


async def close_tenant(tenant: str, attached: Attachment, *, as_json: bool) -> int:
    """Close a tenant and tell it."""
    closed = await ask(attached, lambda client: client.admin.close_tenant(tenant))
    note("its keys work no more; its collaborations are kept")
    return _tell(closed, [_tenant_line(closed)], as_json=as_json)


async def create_key(
    attached: Attachment,
    *,
    tenant: str,
    scopes: Sequence[str],
    label: str,
    project: str | None,
    expires_in_s: int | None,
    as_json: bool,
) -> int:
    """Issue a key and print it, alone on stdout, so that a script can take it from there."""
    made: IssuedKey = await ask_once(
        attached,
        lambda client: client.admin.create_key(
            tenant, label=label, scopes=scopes, project=project, expires_in_s=expires_in_s
        ),
    )
    note(
        f"this is key {made.id} of tenant {made.tenant} ({', '.join(made.scopes)})."
        " It is shown this once and kept nowhere: store it now."
        " Clients read it from FACILITAIR_API_KEY."
    )
    return _tell(made, [made.key], as_json=as_json)


async def list_keys(attached: Attachment, *, tenant: str | None, as_json: bool) -> int:
    """Tell all keys, never the keys themselves."""
    rows = await ask(attached, lambda client: client.admin.keys(tenant))
    return _tell(rows, map(_key_line, rows), as_json=as_json)


async def revoke_key(key_id: str, attached: Attachment, *, as_json: bool) -> int:
    """End a key and tell it."""
    ended = await ask(attached, lambda client: client.admin.revoke_key(key_id))
    return _tell(ended, [_key_line(ended)], as_json=as_json)


async def show_logic(attached: Attachment, *, as_json: bool) -> int:
    """Tell which version of the reducer is active."""
    found = await ask(attached, lambda client: client.admin.logic())
    return _tell(found, [_logic_line(found)], as_json=as_json)


async def activate_logic(version: int, attached: Attachment, *, as_json: bool) -> int:
    """Activate a version and tell it."""
    found = await ask(attached, lambda client: client.admin.activate_logic(version))
    return _tell(found, [_logic_line(found)], as_json=as_json)


def _logic_line(found: Logic) -> str:
    line = f"logic {found.active} is active"
    if found.known <= found.active:
        return line
    advice = f"facilitair logic activate {found.known}"
    return f"{line}; the gateway knows up to {found.known}: {advice}"


def _tenant_line(row: Tenant) -> str:
    return f"{row.tenant:<20} {row.status:<10} {one_line(row.name or '', limit=_NAME_CHARS)}"


def _key_line(row: Key) -> str:
    ends = f"until {row.expires_at:%Y-%m-%d %H:%M %Z} " if row.expires_at else ""
    about = f"{','.join(row.scopes)} {ends}{one_line(row.label, limit=_NAME_CHARS)}"
    return f"{row.id} {row.tenant:<16} {row.status:<13} {about}"


def _tell(found: Any, lines: Iterable[str], *, as_json: bool) -> int:
    text = json_text(msgspec.to_builtins(found)) if as_json else "\n".join(map(str.rstrip, lines))
    sys.stdout.write(f"{text}\n" if text else "")
    sys.stdout.flush()
    return ExitCode.DONE
