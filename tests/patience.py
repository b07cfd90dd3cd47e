"""How long a test waits for what should come."""

from __future__ import annotations

PATIENCE = 60
"""Seconds for what takes a moment, but on a machine that is busy, or reads from a cold disk."""
