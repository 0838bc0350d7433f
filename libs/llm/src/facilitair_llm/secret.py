"""Credentials, and where they are read from."""

from collections.abc import Mapping
from pathlib import Path


class Secret:
    """A credential; only `reveal` shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the credential, for the header it belongs into and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"


def read_key(env: Mapping[str, str], name: str, *, faults: list[str]) -> Secret | None:
    """Return the key in the variable `name`, or in the file that `<name>_FILE` names.

    None where neither is set. What is wrong is added to `faults`, which quote no key.
    """
    value, path = env.get(name, "").strip(), env.get(f"{name}_FILE", "").strip()
    if value and path:
        faults.append(f"{name}: set it or {name}_FILE, not both")
    elif path:
        name = f"{name}_FILE"
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"{name}: {path} cannot be read: {type(error).__name__}")
            return None
        if not value:
            faults.append(f"{name}: {path} is empty")
    if value and not (value.isascii() and value.isprintable()):
        faults.append(f"{name}: it has characters that no key has; copy it again")
    return Secret(value) if value else None
