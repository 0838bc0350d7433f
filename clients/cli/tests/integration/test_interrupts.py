"""Ctrl-C on a terminal: the first asks, the second leaves."""

import contextlib
import os
import pty
import re
import signal
import subprocess

import pytest

from clients.cli.tests.integration.conftest import COMMAND, HELD
from facilitair_testing.bounded import at_most
from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration

QUESTION = "[c] cancel"


class Terminal:
    """A command on a pseudo terminal."""

    def __init__(self, machine, *arguments):
        self.own, theirs = pty.openpty()
        os.set_blocking(self.own, False)
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=machine.env | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def read(self):
        with contextlib.suppress(OSError):  # nothing to read yet, or the other end is closed
            self.shown += os.read(self.own, 1 << 20).decode("utf-8", "replace")
        return self.shown

    async def shows(self, text):
        await eventually(lambda: text in self.read(), timeout_s=60, what=f"{text!r} on the screen")

    def interrupt(self):
        """As Ctrl-C does, for the whole group of the terminal."""
        os.killpg(self.process.pid, signal.SIGINT)

    def type(self, text):
        os.write(self.own, text.encode())

    async def ended(self):
        def code():
            self.read()
            return self.process.poll() is not None

        await eventually(code, timeout_s=60, what="the end of the command")
        self.read()
        os.close(self.own)
        return self.process.returncode


@pytest.fixture
def terminal(machine):
    return Terminal(machine, "run", f"Write a function that adds numbers, with tests {HELD}")


async def test_the_first_asks_and_c_cancels(machine, terminal):
    await terminal.shows("coder (attempt 1")
    terminal.interrupt()
    await terminal.shows(QUESTION)
    terminal.type("c\n")
    assert await terminal.ended() == 130
    assert "cancelled at the terminal" in terminal.shown
    await machine.nothing_left()


async def test_d_detaches_and_it_goes_on(machine, terminal):
    await terminal.shows("coder (attempt 1")
    terminal.interrupt()
    await terminal.shows(QUESTION)
    terminal.type("d\n")
    assert await terminal.ended() == 130
    ident = re.search(r"facilitair watch ([0-9a-f-]{36})", terminal.shown)[1]
    assert re.search(r"until:\s+facilitair\s+down", terminal.shown)
    assert machine.run("status").returncode == 0
    assert machine.run("cancel", ident).returncode == 0
    assert machine.run("down").returncode == 0
    await machine.nothing_left()


async def test_enter_goes_on_watching(machine, terminal):
    await terminal.shows("coder (attempt 1")
    terminal.interrupt()
    await terminal.shows(QUESTION)
    before = len(terminal.shown)
    terminal.type("\n")
    await eventually(lambda: "running" in terminal.read()[before:], what="the picture again")
    terminal.interrupt()
    await eventually(lambda: terminal.read().count(QUESTION) == 2, what="the question again")
    terminal.interrupt()
    assert await terminal.ended() == 130


async def test_the_second_leaves_at_once(machine, terminal):
    await terminal.shows("coder (attempt 1")
    terminal.interrupt()
    await terminal.shows(QUESTION)
    with at_most(0, "leaving"):
        terminal.interrupt()
        assert await terminal.ended() == 130
    assert "facilitair watch" in terminal.shown
    await eventually(lambda: not machine.pids(), timeout_s=60, what="the end of every process")
