"""`python -m facilitair_llm.simulator`: settings from the environment, one process."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from facilitair_llm.simulator.process import serve
from facilitair_llm.simulator.settings import SimulatorSettingsError, read_settings


def main() -> int:
    """Run until told to stop; 0 stopped, 1 cannot listen, 2 bad settings."""
    parser = argparse.ArgumentParser(prog="python -m facilitair_llm.simulator", description=__doc__)
    parser.add_argument("--announce", type=Path, help="file that gets url, pid and started_at")
    arguments = parser.parse_args()
    try:
        settings = read_settings(os.environ)
    except SimulatorSettingsError as error:
        sys.stderr.write("".join(f"simulator: {fault}\n" for fault in error.faults))
        return 2
    try:
        asyncio.run(serve(settings, announce=arguments.announce))
    except OSError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
