"""Measures the gateway beside the servers that it is an alternative to: `make bench`."""
