"""File handles: as many as the system gives, and no more connections than there are handles for."""

from __future__ import annotations

import resource

from proxy.config import Config

SPARE = 64
"""For the store, the log, listeners, the office's clients and what the runtime opens itself."""


def raise_limit() -> int:
    """Have as many file handles as may be had. Returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS has an "unlimited" that it does not give
            return soft
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


def affordable_connections(config: Config, handles: int) -> int:
    """How many clients can be connected at once: as configured, or what `handles` leave when each
    has a connection to an upstream, of which there are no more than configured either."""
    upstreams = sum(upstream.max_connections for upstream in config.upstreams.values())
    left = handles - SPARE
    return max(1, min(config.limits.connections, max(left // 2, left - upstreams)))
