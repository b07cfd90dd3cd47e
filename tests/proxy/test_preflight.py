"""What the start would fail of is found before, with the system's reason and without a trace."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from proxy.config.load import load
from proxy.config.source import ConfigError
from proxy.init_store import PresetKey, initialise
from proxy.node import SERVING
from proxy.preflight import obstacles
from proxy.store.sqlite.lock import StoreLock
from tests.programs import free_port

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(here: Path, settings: str = "", listen: str = "127.0.0.1:0") -> list[str]:
    """What is wrong with a configuration of which the first line says where to listen."""
    path = here / "wardgate.yaml"
    path.write_text(f"listen: {listen}\nupstream: http://127.0.0.1:1\nbcrypt_rounds: 4\n{settings}")
    try:
        load(path, {}, check=obstacles)
    except ConfigError as error:
        return [str(each).removeprefix(f"{here}/") for each in error.problems]
    return []


def strerror(number: int) -> str:
    """The system's sentence for an error."""
    return os.strerror(number)


def test_nothing_is_made_by_looking(here: Path) -> None:
    """A store, an access log and a socket in a folder that `wardgate init` makes are in order."""
    settings = "access_log: var/access.log\nadmin: {listen: 'unix:var/admin.sock'}\n"
    assert problems(here, settings) == []
    assert [each.name for each in here.iterdir()] == ["wardgate.yaml"]


def test_every_address_that_is_taken_is_named_with_its_setting(here: Path) -> None:
    """That of the gateway and that of the admin server, in one report."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.2", 0)) as two,
    ):
        first, second = (f"{each.getsockname()[1]}" for each in (one, two))
        found = problems(here, f"admin: {{listen: '127.0.0.2:{second}'}}\n", f"127.0.0.1:{first}")
    taken = strerror(errno.EADDRINUSE)
    assert found == [
        f"wardgate.yaml:1: listen: cannot listen on 127.0.0.1:{first}: {taken}",
        f"wardgate.yaml:4: admin.listen: cannot listen on 127.0.0.2:{second}: {taken}",
    ]


def test_an_address_for_forward_auth_that_is_taken_is_named(here: Path) -> None:
    """As those of the other listeners."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = f"forward_auth: {{listen: '127.0.0.1:{port}', fields: path}}\n"
        (found,) = problems(here, settings)
    assert found.startswith("wardgate.yaml:4: forward_auth.listen: cannot listen on 127.0.0.1")


def test_two_listeners_that_exclude_each_other_are_found(here: Path) -> None:
    """Under two names of one address."""
    port = free_port()
    (found,) = problems(here, f"admin: {{listen: '127.0.0.1:{port}'}}\n", f"0.0.0.0:{port}")
    assert found.startswith("wardgate.yaml:4: admin.listen: cannot listen on 127.0.0.1")


@pytest.mark.parametrize(
    ("listen", "reason"),
    [
        ("192.0.2.1:0", strerror(errno.EADDRNOTAVAIL)),
        ("unix:none/gateway.sock", strerror(errno.ENOENT)),
        ("unix:wardgate.yaml", strerror(errno.EADDRINUSE)),
        ("unix:wardgate.yaml/gateway.sock", strerror(errno.ENOTDIR)),
    ],
)
def test_an_address_that_cannot_be_used_is_named_with_the_reason(
    here: Path, listen: str, reason: str
) -> None:
    """An address of another machine, and a path where no socket can be."""
    expected = f"wardgate.yaml:1: listen: cannot listen on {listen}: {reason}"
    assert problems(here, listen=listen) == [expected]


def test_an_old_unix_socket_is_no_obstacle(here: Path) -> None:
    """The start replaces it."""
    with socket.socket(socket.AF_UNIX) as old:
        old.bind("gateway.sock")
    assert problems(here, listen="unix:gateway.sock") == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none/access.log", strerror(errno.ENOENT)),
        ("folder", strerror(errno.EISDIR)),
        ("wardgate.yaml/access.log", strerror(errno.ENOTDIR)),
    ],
)
def test_an_access_log_that_cannot_be_written_is_named(here: Path, path: str, reason: str) -> None:
    """With the reason."""
    (here / "folder").mkdir()
    expected = f"wardgate.yaml:4: access_log: cannot write {path}: {reason}"
    assert problems(here, f"access_log: {path}\n") == [expected]


def test_an_access_log_may_be_a_device_or_a_pipe(here: Path) -> None:
    """A pipe without a reader is not waited for."""
    os.mkfifo(here / "pipe")
    for path in ("/dev/null", "pipe", "off", "-"):
        assert problems(here, f"access_log: '{path}'\n") == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("folder", "is a folder: name the file in it that holds the store"),
        ("pipe", "is not a regular file"),
        ("empty.db", "is empty: "),
        ("wardgate.yaml/x.db", strerror(errno.ENOTDIR)),
        ("other.db", "cannot be used: file is not a database"),
    ],
)
def test_a_store_that_cannot_be_used_is_named_and_left_as_it_is(
    here: Path, path: str, message: str
) -> None:
    """Whether it is a folder, something else, or a file with other content."""
    (here / "folder").mkdir()
    os.mkfifo(here / "pipe")
    (here / "empty.db").touch(0o600)
    (here / "other.db").touch(0o600)
    (here / "other.db").write_text("something else")
    (found,) = problems(here, f"store: sqlite:///{path}\n")
    assert found.startswith("wardgate.yaml:4: store: ")
    assert message in found
    assert (here / "other.db").read_text() == "something else"
    assert sorted(each.name for each in here.iterdir()) == [
        "empty.db",
        "folder",
        "other.db",
        "pipe",
        "wardgate.yaml",
    ]


def test_a_store_that_others_can_read_is_found(here: Path) -> None:
    """With the command that mends it."""
    assert problems(here) == []
    initialise(load(here / "wardgate.yaml", {}), preset=PresetKey())
    assert problems(here) == []
    (here / "var" / "wardgate.db").chmod(0o644)
    (found,) = problems(here)
    assert "run `chmod 600 " in found


def test_the_addresses_of_a_running_server_are_taken_to_be_its_own(here: Path) -> None:
    """So that a changed configuration can be checked while the old one is served."""
    problems(here)
    initialise(load(here / "wardgate.yaml", {}), preset=PresetKey())
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        lock = StoreLock(here / "var" / "wardgate.db", SERVING)
        assert problems(here, listen=listen) == []
        assert problems(here, listen="192.0.2.1:0") != []
        lock.release()
        assert problems(here, listen=listen) != []
