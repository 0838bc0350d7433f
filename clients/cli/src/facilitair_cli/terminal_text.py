"""Text of models and users on a terminal: what could steer the terminal is taken out. Pure."""

from typing import Final

_KEPT: Final = frozenset("\n\t")
_DIRECTIONS: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C, 0x200E, 0x200F)
_STEERING: Final = {
    code: None
    for code in (*range(0x20), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029, *_DIRECTIONS)
    if chr(code) not in _KEPT
}


def harmless(text: str) -> str:
    """``text`` without control characters (line feed and tab stay) and changes of direction.

    Nothing else is interpreted: what was an escape sequence is left as the letters it was made of.
    """
    return text.translate(_STEERING)


def one_line(text: str, *, limit: int) -> str:
    """The first ``limit`` characters of ``text`` on one harmless line."""
    flat = " ".join(harmless(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
