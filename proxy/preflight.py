"""What `wardgate serve` would fail of at its start, found without serving and without a change.

The rule that lives here: each check does what the start does, and undoes it, because only the
system knows whether an address is free and a folder can be written.
"""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from proxy.config.model import Config
from proxy.config.source import SettingPath
from proxy.config.values import Listen
from proxy.domain.errors import WardgateError
from proxy.gateway.server import cannot_listen
from proxy.store.open import inspect_store, store_folder, store_holder
from proxy.store.protocols import StoreError
from proxy.telemetry.tracing import MISSING, can_trace


def obstacles(config: Config) -> Iterator[tuple[SettingPath, str]]:
    """Each setting with which `serve` would fail on this machine, and why.

    A store that does not exist yet is none if `wardgate init` can make it. While the store is in
    use, the server that uses it is taken to have the addresses that are in use.
    """
    running = False
    try:
        inspect_store(config.store)
        running = store_holder(config.store) is not None
    except StoreError as error:
        yield ("store",), str(error).removeprefix("store ")
    try:
        _ = config.postgres.access
    except WardgateError as error:
        yield ("postgres", "password_file"), str(error).removeprefix("postgres.password_file: ")
    yield from access_log_obstacles(config)
    if config.tracing is not None and not can_trace():
        yield ("tracing",), MISSING
    listeners: list[tuple[SettingPath, Listen]] = [(("listen",), each) for each in config.listen]
    if config.admin is not None:
        listeners += [(("admin", "listen"), each) for each in config.admin.listen]
    if config.forward_auth is not None:
        listeners += [(("forward_auth", "listen"), each) for each in config.forward_auth.listen]
    with ExitStack() as held:  # all at once, since one may stand in the way of another
        for place, listen in listeners:
            try:
                _try_to_listen(listen, held, store_folder(config.store))
            except OSError as error:
                if not (running and error.errno == errno.EADDRINUSE):
                    yield place, str(cannot_listen(listen, error))


def access_log_obstacles(config: Config) -> Iterator[tuple[SettingPath, str]]:
    """What makes it impossible to write the access log, if anything does."""
    if config.access_log not in {"-", "off"}:
        try:
            _try_to_append(Path(config.access_log), store_folder(config.store))
        except OSError as error:
            yield ("access_log",), f"cannot write {config.access_log}: {error.strerror}"


def _try_to_append(path: Path, to_come: Path) -> None:
    """Raises OSError where the file can be neither opened nor made."""
    if path.is_fifo():
        return  # opening it waits for a reader
    if path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))
    else:
        _try_to_make_a_file(path.parent, to_come)


def _try_to_listen(listen: Listen, held: ExitStack, to_come: Path) -> None:
    """Listen until `held` is closed. Raises OSError."""
    if listen.path is not None:
        path = Path(listen.path)
        if path.exists() and not path.is_socket():  # a socket is replaced
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        _try_to_make_a_file(path.parent, to_come)
        return
    found = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    for family, kind, protocol, _, address in dict.fromkeys(found):
        listener = held.enter_context(socket.socket(family, kind, protocol))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen()


def _try_to_make_a_file(folder: Path, to_come: Path) -> None:
    """Make a file without a name, which leaves nothing behind. Raises OSError.

    `to_come` is a folder that `wardgate init` makes.
    """
    if not folder.exists() and folder.resolve() in {to_come, *to_come.parents}:
        return
    tempfile.TemporaryFile(dir=folder).close()
