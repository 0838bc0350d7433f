"""Credentials: where they are read from, and how they are kept out of what we tell."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

REMOVED: Final = "[removed]"
_SHORTEST_CUT: Final = 6
"""A piece of a key at the end of a text that was cut is removed from this length on."""
_SHORTEST_KEY: Final = 8
"""What is shorter is a word that a server wants to hear, such as `none`."""


class Secret:
    """A credential; only `reveal` shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the credential, for the header it belongs into and nothing else."""
        return self._value

    def hidden_in(self, text: str) -> str:
        """Return the text without the credential: plain, percent-encoded, base64 or hex.

        What a cut left of it at the end of the text goes too.
        """
        if len(self._value) < _SHORTEST_KEY:
            return text
        for form in _forms(self._value):
            text = text.replace(form, REMOVED)
        for form in _forms(self._value):
            for length in range(min(len(form) - 1, len(text)), _SHORTEST_CUT - 1, -1):
                if text.endswith(form[:length]):
                    return text[:-length] + REMOVED
        return text

    def __repr__(self) -> str:
        return "Secret('**********')"


def read_key(env: Mapping[str, str], name: str, *, faults: list[str]) -> Secret | None:
    """Return the key in the variable `name`, or in the file that `<name>_FILE` names.

    Spaces and line ends around it are left out. None where neither is set.
    What is wrong is added to `faults`, which quote no key.
    """
    value, path = env.get(name, "").strip(), env.get(f"{name}_FILE", "").strip()
    if value and path:
        faults.append(f"{name}: set it or {name}_FILE, not both")
        return None
    if path:
        name = f"{name}_FILE"
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"{name}: {path} cannot be read: {type(error).__name__}")
            return None
        if not value:
            faults.append(f"{name}: {path} is empty")
    problem = key_problem(value)
    if value and problem is not None:
        faults.append(f"{name}: {problem}")
        return None
    return Secret(value) if value else None


def key_problem(value: str) -> str | None:
    """Return why a text cannot be a key, without quoting it, or None."""
    if not value:
        return "it is empty"
    if not (value.isascii() and value.isprintable()) or " " in value:
        return "it has characters that no key has; copy it again"
    return None


def _forms(value: str) -> Iterator[str]:
    """Yield how a credential may be written, each long enough to be no accident."""
    data = value.encode()
    yield value
    yield quote(value, safe="")
    yield data.hex()
    yield data.hex().upper()
    for before in range(3):
        # Inside of a longer text base64 depends on what stands before and behind.
        first, end = (0, 2, 3)[before], (before + len(data)) * 8 // 6
        yield b64encode(bytes(before) + data).decode()[first:end]
        yield urlsafe_b64encode(bytes(before) + data).decode()[first:end]
