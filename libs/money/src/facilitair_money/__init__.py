"""The pure reducer of a tenant's account: envelopes, limits, windows, slots."""
