"""The HTTP edge: nothing outside this package knows status codes."""
