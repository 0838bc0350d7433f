"""Typed HTTP client with streams that resume by themselves."""
