"""Unique secrets of a test, and whether anything that is left behind holds one in any form."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus


def forms_of(secret: str) -> dict[str, bytes]:
    """How a secret may be written, by the name of the form.

    Of base64 it is what does not depend on the bytes before and behind.
    """
    data = secret.encode()
    found = {
        "plain": data,
        "hex": data.hex().encode(),
        "HEX": data.hex().upper().encode(),
        "url": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
    }
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data + b"\0" * 3)
        core = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        found[f"base64+{before}"] = core
        found[f"base64url+{before}"] = core.replace(b"+", b"-").replace(b"/", b"_")
    return found


def sightings(secrets: Mapping[str, str], left: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """Where which secret is seen, in which form; ``left`` are places and what is there."""
    wanted = [
        (name, form, text)
        for name, secret in secrets.items()
        for form, text in forms_of(secret).items()
    ]
    for place, content in left:
        for name, form, text in wanted:
            if text in content:
                yield f"{name} ({form}) in {place}"


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file under a folder, and its name."""
    for path in sorted(folder.rglob("*")):
        yield f"name of {path.name}", str(path.relative_to(folder)).encode()
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()
