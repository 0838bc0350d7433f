"""REST and SSE for tenants."""
