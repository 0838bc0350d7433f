"""Golden inboxes: what ``decide`` answered, kept for ever and replayed byte for byte (R9)."""
