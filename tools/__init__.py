"""Small, tested scripts of the repository; run from its root as `python -m tools.<name>`."""
