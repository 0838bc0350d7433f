"""What a prompt says about who is asked and for what."""

import re
from typing import Literal

from msgspec import Struct

from facilitair_llm.simulator.code_blocks import without_python_blocks

Role = Literal["architect", "coder", "reviewer", "tester", "documenter", "assistant"]

# Prompts are anybody's text: every repetition has a bound, so that no text takes quadratic time.
_ROLE_LINE = re.compile(
    r"^[^\w\n]{0,8}role[^\w\n]{0,4}:[^\w\n]{0,8}(\w{1,20})", re.IGNORECASE | re.MULTILINE
)
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
_TASK_OPENS, _TASK_CLOSES = "<task>", "</task>"
_TASK_LABEL = re.compile(
    r"^(?:#{1,6} [^\n]{0,60}\btask\b[^\n]*$|[*_ ]{0,4}(?:\w{1,20} ){0,2}task[*_]{0,3}:[*_]{0,3})",
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
        start, end = _tagged(text)
        label = _TASK_LABEL.search(text)
        if end > start:
            text = text[start + len(_TASK_OPENS) : end - len(_TASK_CLOSES)]
        elif label is not None:
            text = text[label.end() :]
        return " ".join(text.strip().partition("\n\n")[0].split())

    @property
    def around_task(self) -> str:
        """What the user messages say beside the task, without Python blocks and line breaks."""
        start, end = _tagged(self.user)
        untagged = without_python_blocks(f"{self.user[:start]} {self.user[end:]}")
        return " ".join(untagged.split()).replace(self.task, "", 1)


def _tagged(text: str) -> tuple[int, int]:
    """Return where the tagged task starts and ends, its tags included; (0, 0) if there is none."""
    start = text.find(_TASK_OPENS)
    end = text.find(_TASK_CLOSES, start) if start >= 0 else -1
    return (start, end + len(_TASK_CLOSES)) if end >= 0 else (0, 0)


def _role_in(text: str) -> Role | None:
    places = [(text.find(word), role) for word, role in _ROLE_WORDS if word in text]
    return min(places)[1] if places else None
