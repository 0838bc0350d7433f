"""The environments of peers, made once per lock under the cache."""

from benchmarks.processes import ROOT
from facilitair_testing.locked_environment import locked_python

LOCKS = ROOT / "benchmarks" / "peers"


def peer_python(name: str) -> str:
    """The interpreter of a peer, installed from ``benchmarks/peers/<name>.lock`` when it is new.

    Raises CalledProcessError when a package cannot be had.
    """
    return locked_python(LOCKS / f"{name}.lock", kind="peers")
