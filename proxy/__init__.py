"""The gateway: an authenticating reverse proxy, and the domain beneath it."""
