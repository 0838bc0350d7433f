"""A pytest plugin: gathers the rows of the crash table from all processes and prints them."""

from pathlib import Path
from typing import Final

import msgspec
import pytest

from facilitair_testing.crash_table import Row, table, write_rows

OPTION: Final = "--crash-table"
_PROPERTY: Final = "crash_row"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the table is kept, too."""
    parser.addoption(OPTION, type=Path, default=None, help="keep the crash table as JSON there")


@pytest.fixture
def keep_row(record_property):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - pytest's own
    """Put a row into the table at the end of the run."""
    return lambda row: record_property(_PROPERTY, msgspec.to_builtins(row))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table and keep it, when a cell was run."""
    rows = [
        msgspec.convert(value, Row)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    if not rows:
        return
    terminalreporter.section("crash table")
    for line in table(rows):
        terminalreporter.line(line)
    path: Path | None = terminalreporter.config.getoption(OPTION)
    if path is not None:
        write_rows(rows, path)
