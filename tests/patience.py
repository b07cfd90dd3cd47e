"""How long a test waits for something that should happen."""

from __future__ import annotations

PATIENCE = 60
"""Seconds. What is waited for takes a moment, but longer on a busy machine or from a cold disk."""
