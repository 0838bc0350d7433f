"""What every native server can do; one module per technology implements it."""

from pathlib import Path
from typing import Protocol


class Server(Protocol):
    """One server of this machine, in a folder of its own, listening on 127.0.0.1 only.

    Every call blocks; asynchronous code calls it in a thread.
    It has its own session, so an interrupt typed at the terminal does not reach it, and it dies
    with the process that started it, however that ends.
    Data and logs stay in its folder; it starts again from there on the same ports.
    """

    @property
    def name(self) -> str:
        """What it is, for messages and logs."""
        ...

    @property
    def address(self) -> str:
        """Where clients connect; known before it runs and never changing."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process, or None while it does not run."""
        ...

    @property
    def log_file(self) -> Path:
        """Everything it prints, over all its starts."""
        ...

    def start(self) -> None:
        """Fetch what is missing, format the folder once, and start the process.

        Does not wait until it is ready.
        Raises MissingProgramError, FetchError, CacheError, ServerStartError when its port is taken
        or its settings are refused, ServerStateError when it runs already.
        """
        ...

    def wait_ready(self, *, timeout_s: float = ...) -> None:
        """Return once it answers. Raises ServerStartError when it ended or time is over."""
        ...

    def stop(self, *, timeout_s: float = ...) -> None:
        """Ask it to end, and kill it at the deadline. Does nothing when it does not run."""
        ...

    def kill(self) -> None:
        """End it at once, as a crash would; what it wrote before stays."""
        ...

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing is answered. Raises ServerStateError."""
        ...

    def resume(self) -> None:
        """Undo ``pause``. Raises ServerStateError."""
        ...

    def restart(self, *, timeout_s: float = ...) -> None:
        """Kill it if it runs, start it again and wait until it is ready."""
        ...
