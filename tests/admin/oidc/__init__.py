"""OpenID Connect, the protocol alone."""
