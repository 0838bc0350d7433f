"""What ``doctor`` finds."""

from typing import Literal

from msgspec import Struct

Level = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at; ``remedy`` says what to do about it."""

    name: str
    level: Level
    found: str
    remedy: str = ""
