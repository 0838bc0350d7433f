"""Runs the checker: ``python -m facilitair_testing.history HOME``."""

from facilitair_testing.history.command import main

if __name__ == "__main__":
    raise SystemExit(main())
