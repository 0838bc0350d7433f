"""What we are measured against; each in an environment of its own, by a lock with hashes."""
