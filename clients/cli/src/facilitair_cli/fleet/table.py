"""The fleet on a terminal: one live table, or a line for each change where nobody looks."""

import sys
from collections.abc import Sequence
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from facilitair_cli.fleet.watching import Row

_COLOURS = {"ready": "green", "starting": "yellow", "waiting": "red"}


class FleetScreen(Protocol):
    """Shows a fleet while it runs."""

    def say(self, line: str) -> None:
        """Something happened."""
        ...

    def rows(self, rows: Sequence[Row]) -> None:
        """How everything is now."""
        ...

    def close(self) -> None:
        """The fleet is gone."""
        ...


class PlainFleet:
    """A line for each change of a state; nothing is drawn."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._states: dict[str, tuple[str, int | None]] = {}

    def say(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            now = (row.state, row.pid)
            if self._states.get(row.name) != now and row.state == "ready":
                self.say(f"{row.name} {row.state}, pid {row.pid}")
            self._states[row.name] = now

    def close(self) -> None:
        """Nothing is left to be cleaned up."""


class LiveFleet:
    """One table that is drawn again, with what happened above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def say(self, line: str) -> None:
        self._console.print(line)

    def rows(self, rows: Sequence[Row]) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(table_of(rows), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def table_of(rows: Sequence[Row]) -> Table:
    """The table. Lag is that of the whole group, shown at its first member."""
    table = Table(box=None, pad_edge=False)
    for heading in ("process", "state", "pid", "restarts", "lag", "MiB", "where"):
        right = heading in {"pid", "restarts", "lag", "MiB"}
        table.add_column(heading, justify="right" if right else "left")
    for row in rows:
        table.add_row(
            row.name,
            f"[{_COLOURS.get(row.state, 'default')}]{row.state}[/]",
            _shown(row.pid),
            str(row.restarts),
            _shown(row.lag),
            _shown(row.memory_mib),
            row.place,
        )
    return table


def choose_fleet_screen(*, quiet: bool) -> FleetScreen:
    """A live table on a terminal, else plain lines; ``quiet`` ones go to stderr."""
    if quiet or not sys.stdout.isatty():
        return PlainFleet(sys.stderr if quiet else sys.stdout)
    return LiveFleet(Console(emoji=False, highlight=False))


def _shown(number: int | None) -> str:
    return "" if number is None else str(number)
