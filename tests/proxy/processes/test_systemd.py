"""What systemd is told, and what is taken from it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.processes.systemd import notify

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    """By a datagram to its socket, which may have a name without a file."""
    name = f"@{tmp_path}/notify" if abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("name", [None, "", "relative", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """Nor where its socket is gone."""
    if name is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify("READY=1")


TAKE = """
import sys, os
from proxy.processes.listening import Address
from proxy.processes.systemd import taken_sockets
from proxy.domain.errors import WardgateError
wanted = [Address(f"{h}:{p}", h, int(p)) for h, p in (each.split("|") for each in sys.argv[1:])]
os.environ["LISTEN_PID"] = str(os.getpid())
try:
    found = taken_sockets(wanted)
    print({text: [each.getsockname()[1] for each in several] for text, several in found.items()})
except WardgateError as error:
    print(error)
print("LISTEN_FDS" in os.environ)
"""


def take(listening: list[socket.socket], *wanted: str, number: str | None = None) -> list[str]:
    """What a process prints that gets these sockets as systemd gives them."""

    def pass_on() -> None:
        for at, handle in enumerate([os.dup(each.fileno()) for each in listening]):
            os.dup2(handle, 3 + at, inheritable=True)

    environment = os.environ | {"LISTEN_FDS": number or str(len(listening))}
    return subprocess.run(
        [sys.executable, "-c", TAKE, *wanted],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        close_fds=False,
        preexec_fn=pass_on,
    ).stdout.splitlines()


def listening() -> socket.socket:
    """A socket on a free port."""
    return socket.create_server(("127.0.0.1", 0))


def test_sockets_are_taken_by_their_addresses() -> None:
    """Each for the listener that has its address; a host may be a name."""
    with listening() as one, listening() as other:
        ports = one.getsockname()[1], other.getsockname()[1]
        found = take([one, other], f"127.0.0.1|{ports[1]}", f"localhost|{ports[0]}")
        assert found == [
            str({f"localhost:{ports[0]}": [ports[0]], f"127.0.0.1:{ports[1]}": [ports[1]]}),
            "False",
        ]


def test_a_socket_for_no_listener_is_an_error() -> None:
    """It names the address."""
    with listening() as one:
        port = one.getsockname()[1]
        assert f"systemd has opened a socket on 127.0.0.1:{port}" in take([one], "127.0.0.1|1")[0]


def test_a_socket_for_both_families_is_an_error() -> None:
    """A client of IPv4 would have an address that no setting knows."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both:
        port = both.getsockname()[1]
        assert "set BindIPv6Only=ipv6-only" in take([both], f"::|{port}")[0]
    with socket.create_server(("::", 0), family=socket.AF_INET6) as one:
        port = one.getsockname()[1]
        assert take([one], f"::|{port}")[0] == str({f":::{port}": [port]})


def test_a_listener_without_a_socket_is_an_error() -> None:
    """Part of the addresses would not be served."""
    with listening() as one:
        port = one.getsockname()[1]
        found = take([one], f"127.0.0.1|{port}", "127.0.0.1|1")
        assert "systemd has opened no socket for 127.0.0.1:1" in found[0]


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_does_not_listen_is_an_error(kind: socket.SocketKind) -> None:
    """Although it has the address of a listener: no client would be served."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        found = take([one], f"127.0.0.1|{port}")
        assert "LISTEN_FDS: handle 3 is no socket that listens" in found[0]


def test_a_handle_that_is_not_there_is_an_error() -> None:
    """As where a script passes on what was meant for another process."""
    with listening() as one:
        port = one.getsockname()[1]
        found = take([one], f"127.0.0.1|{port}", number="99999")
        assert re.match(r"LISTEN_FDS: handle \d+ is no socket that listens", found[0])


def test_without_sockets_there_are_none() -> None:
    """As in a shell."""
    assert take([], "127.0.0.1|1", number="0") == ["{}", "False"]
