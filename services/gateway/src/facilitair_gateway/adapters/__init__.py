"""The server and what it leaves on disk."""
