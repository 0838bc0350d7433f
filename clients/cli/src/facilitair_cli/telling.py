"""What ``up`` says when everything is up."""

import sys
from collections.abc import Callable

from facilitair_cli.announcements import find
from facilitair_cli.screens import json_text
from facilitair_cli.state_folder import StateFolder


def tell_up(
    folder: StateFolder,
    *,
    url: str,
    pid: int,
    as_json: bool,
    say: Callable[[str], None] | None = None,
) -> None:
    """Tell where it answers; ``say`` is used where a table is being drawn."""
    simulated = find(folder.simulator) is not None
    word = " (answers are simulated)" if simulated else ""
    text = f"Facilitair is up on {url}{word}, pid {pid}, logs in {folder.logs}"
    if as_json:
        text = json_text({"url": url, "pid": pid, "simulated": simulated, "home": str(folder.root)})
    elif say is not None:
        say(text)
        return
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
