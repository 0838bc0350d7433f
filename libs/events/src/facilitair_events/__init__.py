"""Structs, headers, codec and topic registry: the contract every service shares."""
