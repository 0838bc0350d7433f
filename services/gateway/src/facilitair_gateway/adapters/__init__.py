"""The server that the API runs in."""
