"""What systemd and a service tell each other: sd_notify(3) and sd_listen_fds(3).

Tested in `tests/proxy/processes/test_systemd.py`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from proxy.domain.errors import WardgateError
from proxy.processes.listening import Address

BEAT: Final = 1.0
"""Seconds between two signs of life."""
_FIRST: Final = 3
"""The first handle that systemd passes on (SD_LISTEN_FDS_START)."""


def notify(state: str) -> None:
    """Tell the service manager, if there is one, that has started this process."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    # A service that cannot tell how it does serves nevertheless.
    with (
        suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
    ):
        sender.connect(address)
        sender.sendall(state.encode())


class Lively:
    """The time in which a process without a master serves: the manager is told when it begins and
    ends, and in between that the event loop runs."""

    async def __aenter__(self) -> None:
        notify("READY=1")
        self._task = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            notify("WATCHDOG=1")
            await asyncio.sleep(BEAT)

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        notify("STOPPING=1")


def taken_sockets(wanted: Sequence[Address]) -> dict[str, list[socket.socket]]:
    """The sockets that systemd has opened for this process, by the text of the address that each
    is for. Empty where there are none.

    Raises `WardgateError` where there is one for no address, or an address without one, or where
    there is something else.
    """
    given = _given()
    if not given:
        return {}
    found: dict[str, list[socket.socket]] = {}
    for one in given:
        text = next((each.text for each in wanted if _is_for(one, each)), None)
        if text is None:
            raise WardgateError(
                f"systemd has opened a socket on {_shown(one)}, which no listener of the "
                "configuration has"
            )
        if _takes_both(one):
            raise WardgateError(
                f"the socket of systemd on {_shown(one)} takes clients of IPv4, too, whose "
                "addresses would not be known as such: set BindIPv6Only=ipv6-only in the unit"
            )
        one.setblocking(False)
        found.setdefault(text, []).append(one)
    missing = [each.text for each in wanted if each.text not in found]
    if missing:
        raise WardgateError(f"systemd has opened no socket for {missing[0]}: add it to the unit")
    return found


def _given() -> list[socket.socket]:
    number = os.environ.pop("LISTEN_FDS", "0")
    pid = os.environ.pop("LISTEN_PID", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not number.isdigit():
        return []
    return [_listening(handle) for handle in range(_FIRST, _FIRST + int(number))]


def _listening(handle: int) -> socket.socket:
    """The socket with a handle. Raises `WardgateError` where it is none, or does not listen."""
    try:
        os.set_inheritable(handle, False)
        one = socket.socket(fileno=handle)
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return one
        one.detach()
    except OSError:
        pass
    raise WardgateError(
        f"LISTEN_FDS: handle {handle} is no socket that listens, as systemd passes on for "
        "ListenStream= and Accept=no"
    )


def _is_for(one: socket.socket, address: Address) -> bool:
    name = one.getsockname()
    if not isinstance(name, tuple):
        return address.path is not None and str(Path(address.path).absolute()) == name
    if address.path is not None or name[1] != address.port:
        return False
    with suppress(OSError):
        places = socket.getaddrinfo(address.host, address.port, one.family, socket.SOCK_STREAM)
        return any(place[0] == name[0] for *_, place in places)
    return False


def _takes_both(one: socket.socket) -> bool:
    """Whether clients of IPv4 come as IPv6 ones (RFC 4291 section 2.5.5.2)."""
    if one.family != socket.AF_INET6 or one.getsockname()[0] != "::":
        return False
    return not one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _shown(one: socket.socket) -> str:
    name = one.getsockname()
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else f"unix:{name}"
