"""Ctrl-C and its kin: the first is a question, the second leaves at once."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

Choice = Literal["cancel", "detach", "stay", "leave"]

_QUESTION: Final = (
    "\n[c] cancel the collaboration, [d] detach and let it go on, [Enter] go on watching,"
    " Ctrl-C leave now: "
)
_ANSWERS: Final[dict[str, Choice]] = {"c": "cancel", "d": "detach"}
_MAX_LINE_BYTES: Final = 4096


class Interrupts:
    """Signals that this process was sent, as something to wait for."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.ended_by: signal.Signals | None = None

    def take(self) -> None:
        """Make it wait for the next one."""
        self.asked.clear()

    def on_signal(self, number: signal.Signals) -> None:
        """Note a signal; all but SIGINT leave no room for questions."""
        if number != signal.SIGINT:
            self.ended_by = number
        self.asked.set()


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Handle the signals while the body runs."""
    loop = asyncio.get_running_loop()
    found = Interrupts()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, found.on_signal, number)
    try:
        yield found
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def is_interactive() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def ask(found: Interrupts) -> Choice:
    """What to do about an interrupt; without anybody to ask, or at the next one, leave."""
    found.take()
    if found.ended_by is not None or not is_interactive():
        return "leave"
    sys.stderr.write(_QUESTION)
    sys.stderr.flush()
    answer = asyncio.create_task(_line_of_stdin())
    again = asyncio.create_task(found.asked.wait())
    done, pending = await asyncio.wait({answer, again}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    if again in done:
        sys.stderr.write("\n")
        return "leave"
    return _ANSWERS.get(answer.result().strip().lower()[:1], "stay")


async def _line_of_stdin() -> str:
    """The next line, without a thread that nobody could stop."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    descriptor = sys.stdin.fileno()

    def on_readable() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(descriptor, on_readable)
    try:
        await readable
        return os.read(descriptor, _MAX_LINE_BYTES).decode("utf-8", "replace")
    finally:
        loop.remove_reader(descriptor)
