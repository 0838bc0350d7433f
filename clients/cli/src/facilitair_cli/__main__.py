"""The facilitair command."""

import sys

from facilitair_cli.app import run_command


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
