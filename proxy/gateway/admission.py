"""File handles: as many as the system gives, shared out so that none of their users takes all.

Whoever takes connections, clients of the gateway or of the admin server, is refused before the last
handle is gone: one that was let in still finds a handle to the upstream, and the store its own."""

from __future__ import annotations

import resource
from typing import Final, NamedTuple

from proxy.config.model import Config

OWN: Final = 40
"""For the store, the log, listeners and what the runtime opens itself: 22 when it starts."""
OFFICE: Final = 256
"""The admin server's users are few."""


class Shares(NamedTuple):
    """How many connections each may have at once."""

    clients: int
    upstreams: dict[str, int]
    admin: int


def raise_limit() -> int:
    """Have as many file handles as may be had. Returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS has an "unlimited" that it does not give
            return soft
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


def share(config: Config, handles: int) -> Shares:
    """As many connections as configured, or what there are handles for: an eighth for the admin
    server, of the rest half for the upstreams, since what a client asks for mostly takes one of
    each."""
    admin = min(OFFICE, handles // 8) if config.admin is not None else 0
    left = handles - OWN - admin
    wanted = {name: upstream.max_connections for name, upstream in config.upstreams.items()}
    most = sum(wanted.values())
    given = min(most, left // 2)
    upstreams = {name: max(1, number * given // most) for name, number in wanted.items()}
    clients = max(1, min(config.limits.connections, left - sum(upstreams.values())))
    return Shares(clients, upstreams, admin)
