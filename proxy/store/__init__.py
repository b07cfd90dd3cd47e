"""The store: what the gateway reads, what the admin server changes, and where it is kept."""
