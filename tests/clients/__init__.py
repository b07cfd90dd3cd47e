"""Clients that behave, and an origin that they have something to say to."""
