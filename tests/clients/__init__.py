"""Common HTTP clients, and an origin server for them."""
