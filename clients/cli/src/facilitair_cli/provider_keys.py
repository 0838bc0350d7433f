"""What ``providers`` does. A key goes from stdin or a file to the gateway, and nowhere else."""

import sys
from getpass import getpass
from pathlib import Path
from typing import Any, Final

import msgspec

from facilitair_cli.attaching import Attachment
from facilitair_cli.errors import OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.screens import json_text, note
from facilitair_cli.talking import ask
from facilitair_cli.terminal_text import one_line
from facilitair_client import Provider, ProviderKey

_MAX_KEY_BYTES: Final = 8192
_NAME_CHARS: Final = 40


def read_key(file: Path | None) -> str:
    """The key in a file, on stdin, or typed without an echo. Raises OptionError."""
    if file is not None:
        return _checked(_content_of(file), option="--file")
    if sys.stdin.isatty():
        return _checked(getpass("key: "), option="the key")
    return _checked(sys.stdin.read(_MAX_KEY_BYTES + 1), option="stdin")


async def list_providers(attached: Attachment, *, as_json: bool) -> int:
    """Tell the providers, and the tenant's own keys."""
    rows = await ask(attached, lambda client: client.providers.all())
    return _tell(rows, "\n".join(map(_line, rows)), as_json=as_json)


async def set_key(  # noqa: PLR0917 - what, with which secret, where
    provider: str, key: str, attached: Attachment, *, as_json: bool
) -> int:
    """Set the key and tell what is known of it."""
    made = await ask(attached, lambda client: client.providers.set_key(provider, key))
    note(f"calls of {one_line(provider, limit=_NAME_CHARS)} are made with this key from now on")
    return _tell(made, _line(Provider(provider=provider, key=made)), as_json=as_json)


async def remove_key(provider: str, attached: Attachment, *, as_json: bool) -> int:
    """Remove the key and tell it."""
    await ask(attached, lambda client: client.providers.remove_key(provider))
    row = Provider(provider=provider)
    return _tell(row, _line(row), as_json=as_json)


def _content_of(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(_MAX_KEY_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = f"{file} cannot be read: {type(error).__name__}"
        raise OptionError(option="--file", reason=reason) from error


def _checked(text: str, *, option: str) -> str:
    key = text.strip()
    if not key:
        raise OptionError(option=option, reason="there is no key in it")
    if len(key) > _MAX_KEY_BYTES:
        raise OptionError(option=option, reason="it is too long for a key")
    return key


def _line(row: Provider) -> str:
    shown = "no key of your own" if row.key is None else _key_line(row.key)
    return f"{one_line(row.provider, limit=_NAME_CHARS):<16} {shown}"


def _key_line(key: ProviderKey) -> str:
    end = one_line(key.last_four, limit=_NAME_CHARS)
    by = one_line(key.set_by, limit=_NAME_CHARS)
    line = f"your key{f' …{end}' if end else ''}, set {key.set_at:%Y-%m-%d %H:%M %Z} by {by}"
    return line if key.opens else f"{line}; the master key that opens it is not set: set it again"


def _tell(found: Any, text: str, *, as_json: bool) -> int:
    shown = json_text(msgspec.to_builtins(found)) if as_json else text
    sys.stdout.write(f"{shown}\n" if shown else "")
    sys.stdout.flush()
    return ExitCode.DONE
