"""Changes of single places in JSON, as ``--set task.text.v="new"`` says them. Pure."""

import copy
from collections.abc import Iterable
from typing import Any

import msgspec

from facilitair_cli.errors import OptionError


def changed(value: Any, changes: Iterable[str]) -> Any:
    """A copy of ``value`` with each ``path=json`` applied in order.

    A path is names and list positions joined by dots; its last name may be new.
    Raises OptionError for a path that leads nowhere, and for what is no JSON.
    """
    result = copy.deepcopy(value)
    for change in changes:
        path, separator, text = change.partition("=")
        if not separator or not path:
            raise _fault(change, "is not of the form path=json")
        names = path.split(".")
        holder = result
        for name in names[:-1]:
            holder = _inside(holder, name, change=change)
        _put(holder, names[-1], _json(text, change), change=change)
    return result


def _inside(holder: Any, name: str, *, change: str) -> Any:
    if isinstance(holder, dict) and name in holder:
        return holder[name]
    if isinstance(holder, list) and name.isdecimal() and int(name) < len(holder):
        return holder[int(name)]
    raise _fault(change, f"there is no {name!r} on its path")


def _put(holder: Any, name: str, value: Any, *, change: str) -> None:  # noqa: PLR0917 - place, value
    if isinstance(holder, dict):
        holder[name] = value
    elif isinstance(holder, list) and name.isdecimal() and int(name) < len(holder):
        holder[int(name)] = value
    else:
        raise _fault(change, f"there is no {name!r} on its path")


def _json(text: str, change: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _fault(change, "has no JSON behind '='; a text is quoted: 'name=\"text\"'") from None


def _fault(change: str, reason: str) -> OptionError:
    return OptionError(option="--set", reason=f"{change!r}: {reason}")
