"""The domain: records, roles, routes, secrets, and the rules about them. Pure: no I/O."""
