"""Whether the model that answered is the one that was asked for; pure.

Providers answer an alias with the name of a version (`gpt-4o` with `gpt-4o-2024-08-06`), and write
the same name with and without what it belongs to (`models/gemini-2.5-flash`).
"""

import re

_VERSION = re.compile(
    r"[-@:](?:latest|preview|\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|v\d+(?:[.:]\d+)?)"
)


def is_same_model(asked: str, answered: str) -> bool:
    """Return whether one name is the other, or a dated or numbered version of it.

    A smaller or larger sibling is another model: `gpt-4o-mini` is no version of `gpt-4o`.
    """
    first, second = _bare(asked), _bare(answered)
    return first == second or _stem(first) == _stem(second)


def _bare(name: str) -> str:
    return name.strip().lower().rpartition("/")[2]


def _stem(name: str) -> str:
    """The name without the versions at its end."""
    while True:
        found = next((m for m in _VERSION.finditer(name) if m.end() == len(name)), None)
        if found is None or found.start() == 0:
            return name
        name = name[: found.start()]
