"""How the master exchanges its program while the others serve: it executes the new program in its
own process, which takes over the sockets, the shared memory and the processes.

Tested in `tests/test_upgrade.py`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from proxy.processes.child import SIGNALS, Child
from proxy.processes.inherited import Shared, Sockets
from proxy.processes.listening import all_of
from proxy.processes.shared import LAYOUT, SharedState

_VARIABLE: Final = "WARDGATE_UPGRADE"
"""The number of the handle of a file without a name that has the rest."""


class Legacy(NamedTuple):
    """What the program before has left."""

    shared: Shared
    """As it was, but for its generation."""
    sockets: list[dict[str, list[socket.socket]]]
    children: list[Child]
    register: int
    """The handle of the file of `register`."""


class Running(Protocol):
    """The master, as far as its program is exchanged."""

    shared: Shared
    sockets: Sequence[Sockets]
    children: list[Child]

    def unread(self) -> bytes:
        """The numbers of signals that have come and were not handled."""
        ...


def execute(master: Running, register: int) -> None:
    """Execute the program anew, with the arguments of this one. Raises `OSError` where that is not
    possible; then nothing has changed."""
    shared, sockets, children = master.shared, master.sockets, master.children
    handles = [shared.state.fd, register, *(each.fileno() for each in all_of(sockets))]
    if shared.lock is not None:
        handles.append(shared.lock)
    legacy = {
        "layout": LAYOUT,
        "state": shared.state.fd,
        "slots": shared.state.slots,
        "bus": shared.bus,
        "secret": shared.secret.hex(),
        "lock": shared.lock,
        "urls": list(shared.urls),
        "generation": shared.generation + 1,
        "sockets": [
            {text: [each.fileno() for each in several] for text, several in slot.items()}
            for slot in sockets
        ],
        "children": [[e.name, e.slot, e.generation, e.pid, e.told] for e in children],
        "register": register,
    }
    file = os.memfd_create("wardgate-upgrade")
    os.write(file, json.dumps(legacy).encode())
    handles.append(file)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for number in master.unread():
        os.kill(os.getpid(), number)  # it waits for the new program
    try:
        for handle in handles:
            os.set_inheritable(handle, True)
        sys.stdout.flush()
        sys.stderr.flush()
        environment = os.environ | {_VARIABLE: str(file)}
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, environment)  # noqa: S606 - a shell has no part in it
    except OSError:
        for handle in handles:
            os.set_inheritable(handle, False)
        os.close(file)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        raise


def legacy() -> Legacy | None:
    """What the program before has left to this one; None where there was none."""
    number = os.environ.pop(_VARIABLE, None)
    if number is None:
        return None
    with os.fdopen(int(number), "rb") as file:
        file.seek(0)
        left: dict[str, Any] = json.load(file)
    state = SharedState(left["state"], left["slots"]) if left["layout"] == LAYOUT else None
    found: dict[int, socket.socket] = {}
    sockets = [
        {text: [_socket(handle, found) for handle in several] for text, several in slot.items()}
        for slot in left["sockets"]
    ]
    children = []
    for name, slot, generation, pid, told in left["children"]:
        child = Child(name, slot, generation, pid, -1)
        child.told = told
        children.append(child)
    for handle in (left["state"], left["register"], *found, left["lock"]):
        if handle is not None:
            os.set_inheritable(handle, False)
    shared = Shared(
        state or SharedState.create(left["slots"]),
        left["bus"],
        bytes.fromhex(left["secret"]),
        left["lock"],
        left["urls"],
        left["generation"],
    )
    if state is None:  # what it was cannot be read: its processes end before others begin
        for child in sorted(children, key=lambda child: -child.slot):  # the keeper, -1, is the last
            child.end()
            os.waitpid(child.pid, 0)
        children = []
    return Legacy(shared, sockets, children, left["register"])


def _socket(handle: int, found: dict[int, socket.socket]) -> socket.socket:
    """The socket with a handle, one for each."""
    if handle not in found:
        found[handle] = socket.socket(fileno=handle)
    return found[handle]
