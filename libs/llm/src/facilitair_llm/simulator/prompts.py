"""What a prompt says about who is asked and for what."""

import re
from typing import Literal

from msgspec import Struct

Role = Literal["architect", "coder", "reviewer", "tester", "documenter", "assistant"]

_ROLE_LINE = re.compile(r"^\W*role\W*:\W*(\w+)", re.IGNORECASE | re.MULTILINE)
_ROLE_WORDS: tuple[tuple[str, Role], ...] = (
    ("architect", "architect"),
    ("reviewer", "reviewer"),
    ("code review", "reviewer"),
    ("documenter", "documenter"),
    ("documentation", "documenter"),
    ("technical writer", "documenter"),
    ("tester", "tester"),
    ("coder", "coder"),
    ("developer", "coder"),
    ("programmer", "coder"),
    ("software engineer", "coder"),
)
_TASK_TAG = re.compile(r"<task>(.*?)</task>", re.DOTALL | re.IGNORECASE)
_TASK_LABEL = re.compile(
    r"^(?:#+[^\n]*\btask\b[^\n]*$|[*_ ]*(?:\w+ ){0,2}task[*_]*:[*_]*)\s*",
    re.IGNORECASE | re.MULTILINE,
)


class Prompt(Struct, frozen=True):
    """The texts of a request by who says them, in order, without simulator markers."""

    system: str
    user: str

    @property
    def role(self) -> Role:
        """The role the system prompt gives: by its line `Role: …`, else by the first role named."""
        line = _ROLE_LINE.search(self.system)
        if line is not None:
            named = _role_in(line[1].lower())
            if named is not None:
                return named
        return _role_in(self.system.lower()) or "assistant"

    @property
    def task(self) -> str:
        """The first paragraph of the task, without line breaks.

        The task is what `<task>` encloses, what follows a label or heading `Task`, or all there is.
        One paragraph is enough to name things by, and it stays the same from round to round.
        """
        text = self.user
        tagged, label = _TASK_TAG.search(text), _TASK_LABEL.search(text)
        if tagged is not None:
            text = tagged[1]
        elif label is not None:
            text = text[label.end() :]
        return " ".join(text.strip().partition("\n\n")[0].split())


def _role_in(text: str) -> Role | None:
    places = [(text.find(word), role) for word, role in _ROLE_WORDS if word in text]
    return min(places)[1] if places else None
