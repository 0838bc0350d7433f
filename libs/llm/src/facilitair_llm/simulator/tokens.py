"""The simulator's tokens: what it counts and what it streams one by one."""

import re

_TOKEN = re.compile(r"[ \t]?\w{1,8}|\n+|[ \t]+|[^\w\s]|\s")
TOKENS_PER_MESSAGE = 3
"""What a message costs beside its text, as chat models count it."""


def split_tokens(text: str) -> list[str]:
    """Return the tokens of the text; joined they are the text again."""
    return _TOKEN.findall(text)
