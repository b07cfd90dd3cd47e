"""What only the PostgreSQL store does; what both do is in `tests/proxy/store/contract`."""
