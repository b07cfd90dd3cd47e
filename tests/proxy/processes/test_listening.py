"""Each slot has sockets of its own for the same addresses."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from proxy.processes.listening import Address, all_of, listen, require_free, url_of


def close(made: list[list[socket.socket]]) -> None:
    """Let go of all."""
    for each in all_of([{"": slot} for slot in made]):
        each.close()


def test_a_free_port_is_the_same_for_all_slots() -> None:
    """Port 0 is found once; each slot has a socket of its own on it."""
    made = listen(Address("127.0.0.1:0", "127.0.0.1", 0), 3, 16)
    names = {each.getsockname() for slot in made for each in slot}
    assert len(names) == 1
    assert len(all_of([{"": slot} for slot in made])) == 3
    assert url_of(made[0][0], "https") == f"https://127.0.0.1:{names.pop()[1]}"
    close(made)


def test_connections_go_to_all_slots() -> None:
    """The kernel spreads them."""
    made = listen(Address("127.0.0.1:0", "127.0.0.1", 0), 3, 64)
    with ExitStack() as open_:
        for _ in range(60):
            open_.enter_context(socket.create_connection(made[0][0].getsockname()))
        accepted = [0, 0, 0]
        for at, (each,) in enumerate(made):
            with suppress(BlockingIOError):
                while True:
                    open_.enter_context(each.accept()[0])
                    accepted[at] += 1
        assert sum(accepted) == 60
        assert all(accepted)
    close(made)


def test_a_port_that_another_program_has_is_refused() -> None:
    """Also where it could be shared, which the system allows to processes of one user."""
    made = listen(Address("127.0.0.1:0", "127.0.0.1", 0), 2, 16)
    port = made[0][0].getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        require_free(Address("", "127.0.0.1", port))
    close(made)
    require_free(Address("", "127.0.0.1", port))


def test_a_unix_socket_is_shared_by_all_slots(tmp_path: Path) -> None:
    """A path can be bound once. What a process before has left is replaced; a file is not."""
    path = tmp_path / "socket"
    first = listen(Address("", "", 0, str(path)), 2, 16)
    assert first[0] == first[1]
    close(first)
    again = listen(Address("", "", 0, str(path)), 2, 16)
    assert url_of(again[0][0], "http") == f"unix:{path}"
    close(again)
    path.unlink()
    path.write_text("a file")
    with pytest.raises(OSError, match="in use"):
        listen(Address("", "", 0, str(path)), 2, 16)
    assert path.read_text() == "a file"


def test_a_host_with_several_addresses_has_a_socket_for_each() -> None:
    """In each slot, on the same port of both families where the machine has them."""
    made = listen(Address("localhost:0", "localhost", 0), 2, 16)
    assert {len(slot) for slot in made} == {len(made[0])}
    close(made)
