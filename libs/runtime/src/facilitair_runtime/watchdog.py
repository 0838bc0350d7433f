"""Ends a process whose event loop is blocked: nothing that runs on the loop can notice that.

It ends without cleaning up, as kill -9 would; the log survives that, and who waits in vain does
not have to any longer.
"""

import asyncio
import faulthandler
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

EXIT_CODE: Final = 70
"""EX_SOFTWARE: an internal fault."""

_LONGEST_WAIT_S: Final = 1.0
_WAITS: Final = 10


@contextmanager
def watched_loop(
    *, blocked_s: float, stream: TextIO, end: Callable[[int], object] = os._exit
) -> Iterator[None]:
    """Watch the running loop while the body runs; called on that loop.

    When it has not turned for ``blocked_s``, the stacks of all threads are written to ``stream``
    and the process ends with ``EXIT_CODE``. Time in which the whole process stood still (SIGSTOP,
    a suspended machine) does not count: then nobody could turn the loop.
    """
    loop, leaving = asyncio.get_running_loop(), threading.Event()
    watching = threading.Thread(
        target=_watch,
        args=(loop, leaving),
        kwargs={"blocked_s": blocked_s, "stream": stream, "end": end},
        name="watchdog",
        daemon=True,
    )
    watching.start()
    try:
        yield
    finally:
        leaving.set()


def _watch(
    loop: asyncio.AbstractEventLoop,
    leaving: threading.Event,
    *,
    blocked_s: float,
    stream: TextIO,
    end: Callable[[int], object],
) -> None:
    wait_s = min(blocked_s / _WAITS, _LONGEST_WAIT_S)
    while not leaving.wait(wait_s):
        turned = threading.Event()
        try:
            loop.call_soon_threadsafe(turned.set)
        except RuntimeError:
            # The loop was closed: the body is over.
            return
        waited_s = 0.0
        # By the number of waits and not by a clock: a process that stood still waited once.
        while not turned.wait(wait_s) and not leaving.is_set():
            waited_s += wait_s
            if waited_s >= blocked_s:
                _tell(stream, blocked_s)
                end(EXIT_CODE)
                return


def _tell(stream: TextIO, blocked_s: float) -> None:
    stream.write(
        f"the event loop has been blocked for {blocked_s:g} s; the process ends. Stacks:\n"
    )
    stream.flush()
    faulthandler.dump_traceback(stream, all_threads=True)
