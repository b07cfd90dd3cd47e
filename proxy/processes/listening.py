"""The sockets on which workers listen: one for each worker slot, made and kept open by the master.

The rule that lives here: no connection is lost with a worker. What the kernel has queued for a slot
stays in its socket until the next worker of the slot takes it. One socket for all workers would do
that too, but then the least busy of four got 2 to 16 % of the connections.

Tested in `tests/proxy/processes/test_listening.py`.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from proxy.processes.inherited import Sockets


class Address(NamedTuple):
    """Where to listen."""

    text: str
    """As it is configured."""
    host: str
    port: int
    """0: any free port, the same for all slots."""
    path: str | None = None
    """Of a Unix socket."""


def listen(address: Address, slots: int, backlog: int) -> list[list[socket.socket]]:
    """For each slot, the sockets for an address: one for each address of its host. Raises
    `OSError`."""
    if address.path is not None:
        shared = _unix(address.path, backlog)
        return [[shared] for _ in range(slots)]
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    made: list[list[socket.socket]] = [[] for _ in range(slots)]
    for family, _, _, _, place in dict.fromkeys(found):
        first = _tcp(family, place, backlog)
        made[0].append(first)
        for slot in range(1, slots):  # with the port that the first has found
            made[slot].append(_tcp(family, first.getsockname(), backlog))
    return made


def _tcp(family: int, place: Sequence[object], backlog: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(tuple(place))
        one.listen(backlog)
        one.setblocking(False)
    except BaseException:
        one.close()
        raise
    return one


def _unix(path: str, backlog: int) -> socket.socket:
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            Path(path).unlink()  # of a process that has ended
    one = socket.socket(socket.AF_UNIX)
    try:
        one.bind(path)
        one.listen(backlog)
        one.setblocking(False)
    except BaseException:
        one.close()
        raise
    return one


def require_free(address: Address) -> None:
    """Raises `OSError` where another program listens there: of the same user, it would share the
    port and get a part of the clients."""
    if address.path is not None or not address.port:
        return
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    for family, _, _, _, place in dict.fromkeys(found):
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            trial.bind(place)


def url_of(socket_: socket.socket, scheme: str) -> str:
    """The URL or `unix:` path of a socket that listens."""
    name = socket_.getsockname()
    if not isinstance(name, tuple):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{scheme}://{host}:{name[1]}"


def all_of(sockets: Sequence[Sockets]) -> list[socket.socket]:
    """Every socket of all slots, each once."""
    each = (one for slot in sockets for several in slot.values() for one in several)
    return list(dict.fromkeys(each))
