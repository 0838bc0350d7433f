"""A viewer of a ``ScriptedRun``: what a client shows of the stream, over two connections."""

from facilitair_events.stream import Token
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_testing.history.entries import entry_of
from facilitair_testing.history.types import ClientLine, Frame
from facilitair_testing.scripted_run import TENANT, ScriptedRun


def view(run: ScriptedRun, ident: str, *, client: str = "viewer") -> list[Frame]:
    """Watch a collaboration from its start, with one reconnect; returns the frames."""
    frames = shown(run, ident)
    half = len(frames) // 2
    for number, part in enumerate((frames[:half], frames[half:])):
        for kind, told in (("invoke", ()), ("ok", tuple(part))):
            run.client.append(
                ClientLine(
                    at_ms=run.now_ms, client=client, op="watch",
                    type="invoke" if kind == "invoke" else "ok", id=f"{client}-{ident}-{number}",
                    tenant=TENANT, collaboration=ident, frames=told,
                )
            )  # fmt: skip
    return frames


def shown(run: ScriptedRun, ident: str) -> list[Frame]:
    """The stream without what a client drops: repeats, and what older attempts write."""
    frames: list[Frame] = []
    seq = 0
    written: dict[str, tuple[int, int]] = {}
    for record in run.records(COLLABORATION_STREAM):
        if record.key != f"{TENANT}:{ident}".encode():
            continue
        entry = entry_of(record)
        told = getattr(entry.data, "seq", None)
        step, attempt = getattr(entry.data, "step", None), getattr(entry.data, "attempt", None)
        index = entry.data.index if isinstance(entry.data, Token) else None
        if told is not None:
            if told <= seq:
                continue
            seq = told
        else:
            place = (attempt or 0, -1 if index is None else index)
            if place <= written.get(str(step), (0, -1)):
                continue
            written[str(step)] = place
        frames.append(
            Frame(
                id=f"{record.partition}-{record.offset + 1}-{seq}", event=entry.kind, seq=told,
                step=step, attempt=attempt, index=index,
            )
        )  # fmt: skip
        if entry.kind.startswith("collaboration.") and entry.kind != "collaboration.accepted":
            break
    return frames
