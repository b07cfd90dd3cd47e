"""The command line: what it does, and one clear message where it cannot."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import sqlite3
import stat
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.programs import WARDGATE, await_text, free_port, running, wardgate


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store that `wardgate init` has made, and the key in `key.json`."""
    path = tmp_path_factory.mktemp("made", numbered=False)
    path.chmod(0o700)
    (path / "wardgate.yaml").write_text(
        "listen: 127.0.0.1:0\nupstream: http://127.0.0.1:1\nstore: sqlite:///var/wardgate.db\n"
        "bcrypt_rounds: 4\n"
    )
    assert init(path, "--save-key", "key.json").returncode == 0
    return path


@pytest.fixture
def ready(folder: Path, made: Path) -> Path:
    """A working directory with a configuration and a store with an admin."""
    shutil.copytree(made / "var", folder / "var")
    shutil.copy(made / "key.json", folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with the smallest configuration, on free ports."""
    tmp_path.chmod(0o700)
    config = (
        f"listen: 127.0.0.1:{free_port()}\n"
        f"upstream: http://127.0.0.1:{free_port()}\n"
        "store: sqlite:///var/wardgate.db\n"
        "bcrypt_rounds: 4\n"
        f"admin:\n  listen: 127.0.0.1:{free_port()}\n"
    )
    (tmp_path / "wardgate.yaml").write_text(config)
    return tmp_path


def port(folder: Path, line: int) -> int:
    """The port at the end of a line of the configuration."""
    return int((folder / "wardgate.yaml").read_text().splitlines()[line].rpartition(":")[2])


def gateway_port(folder: Path) -> int:
    """Where the configuration has the gateway listen."""
    return port(folder, 0)


def init(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `wardgate init`."""
    return wardgate("init", "--config", "wardgate.yaml", *options, cwd=folder)


def serve(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `wardgate serve` where it must fail."""
    return wardgate("serve", "--config", "wardgate.yaml", cwd=folder)


def test_it_tells_its_version(tmp_path: Path) -> None:
    """The version of the distribution."""
    assert wardgate("--version", cwd=tmp_path).stdout == f"wardgate {version('wardgate')}\n"


def test_a_sound_configuration_is_said_to_be_one(folder: Path) -> None:
    """Exit status 0."""
    done = wardgate("check-config", "wardgate.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("wardgate.yaml: ok")


def test_everything_wrong_with_a_configuration_is_said_at_once(folder: Path) -> None:
    """Each problem with its line and place; exit status 2, also where it was to be used."""
    (folder / "wardgate.yaml").write_text(
        "listen: nowhere\nupstrem: http://h\nlimits:\n  fields: x\n"
    )
    for command in (["check-config"], ["init", "--config"]):
        done = wardgate(*command, "wardgate.yaml", cwd=folder)
        assert done.returncode == 2
        for place in (
            "wardgate.yaml:1: listen",
            "wardgate.yaml:2: upstrem",
            "wardgate.yaml:4: limits.fields",
        ):
            assert place in done.stderr
    assert not (folder / "var").exists()


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    """In one line, whether it was to be checked or used; exit status 2."""
    for command in (["check-config"], ["serve", "--config"]):
        done = wardgate(*command, "none.yaml", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "wardgate: none.yaml: cannot read: No such file or directory\n"


def test_init_makes_the_first_admin_and_its_key_once(folder: Path) -> None:
    """Shown in full; a second time is refused, or does nothing where that is asked for."""
    done = init(folder, "--output", "json")
    assert done.returncode == 0
    key = json.loads(done.stdout)
    assert key["type"] == "apiKey"
    assert key["accountId"] == "1a1"
    assert key["publicValue"]
    assert key["secretValue"].startswith("wgs_")
    again = init(folder)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert again.stdout == ""
    needless = init(folder, "--if-needed")
    assert needless.returncode == 0
    assert "wgs_" not in needless.stdout + needless.stderr


def test_init_for_a_person_says_to_save_the_key(folder: Path) -> None:
    """Both parts by the names that clients ask for."""
    done = init(folder)
    assert "Access key (user name):" in done.stdout
    assert "Secret key (password):" in done.stdout
    assert "only time" in done.stdout


def test_what_init_does_is_told_with_its_place_in_the_audit_log(folder: Path) -> None:
    """As what the admin server does: so a audit log that was rewritten is found out by the log."""
    for done, actions in (
        (init(folder), ["1:account.create", "2:key.create"]),
        (init(folder, "--recover"), ["3:key.recover"]),
    ):
        told = re.findall(r"^wardgate: audit (\d+):[0-9a-f]{64} (\S+) ", done.stderr, re.MULTILINE)
        assert [":".join(each) for each in told] == actions


def test_a_key_can_be_saved_where_only_its_owner_reads_it(folder: Path) -> None:
    """And then appears nowhere else; what is there is never overwritten."""
    (folder / "there").write_text("mine")
    refused = init(folder, "--save-key", "there")
    assert refused.returncode == 1
    assert not (folder / "var").exists()
    done = init(folder, "--save-key", "key.json")
    assert done.returncode == 0
    saved = folder / "key.json"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert json.loads(saved.read_text())["secretValue"].startswith("wgs_")
    assert "wgs_" not in done.stdout + done.stderr
    assert init(folder, "--if-needed", "--save-key", "key.json").returncode == 0


READY = ("--access-key-file", "access", "--secret-key-file", "secret")


def test_a_ready_pair_is_taken_from_files(folder: Path) -> None:
    """As it is, or refused in one line that does not repeat it; both files or none."""
    (folder / "access").write_text("first.admin\n")
    (folder / "secret").write_text("too-short\n")
    refused = init(folder, *READY)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "secret key: 20 to 72" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "too-short" not in refused.stderr
    unmade = serve(folder)  # there is a store now, but no admin in it
    assert unmade.returncode == 1
    assert "has no admin account yet: run `wardgate init" in unmade.stderr
    (folder / "secret").write_text("long-enough-for-a-secret\n")
    assert init(folder, *READY[:2]).returncode == 2
    done = init(folder, *READY, "--output", "json")
    key = json.loads(done.stdout)
    assert (key["publicValue"], key["secretValue"]) == ("first.admin", "long-enough-for-a-secret")


def test_there_is_no_key_to_replace_without_a_store(folder: Path) -> None:
    """And none is made."""
    done = init(folder, "--recover")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert not (folder / "var").exists()


def test_a_lost_key_is_replaced_and_leaves_a_trace(ready: Path) -> None:
    """With the server stopped, by whoever holds the store's file."""
    first = json.loads((ready / "key.json").read_text())
    second = json.loads(init(ready, "--recover", "--output", "json").stdout)
    assert second["accountId"] == first["accountId"]
    assert second["publicValue"] != first["publicValue"]
    assert second["secretValue"].startswith("wgs_")
    with sqlite3.connect(ready / "var" / "wardgate.db") as db:
        actions = [row[0] for row in db.execute("SELECT act FROM audit ORDER BY sequence")]
    db.close()
    assert actions[-1] == "key.recover"


def test_serving_without_a_store_says_how_to_make_one(folder: Path) -> None:
    """And makes none by itself."""
    done = serve(folder)
    assert done.returncode == 1
    assert "wardgate init" in done.stderr
    assert not (folder / "var").exists()


def test_a_store_that_is_held_is_refused_and_its_holder_named(ready: Path) -> None:
    """To a second server and to init alike."""
    with running([*WARDGATE, "serve", "-c", "wardgate.yaml"], gateway_port(ready), ready) as first:
        for done in (serve(ready), init(ready), init(ready, "--recover")):
            assert done.returncode == 1
            assert f"in use by process {first.pid} (wardgate serve)" in done.stderr
            assert done.stderr.count("\n") == 1


def test_a_store_that_is_being_served_needs_no_init(ready: Path) -> None:
    """Where it is only made if needed, as `docker compose up` does beside what runs."""
    with running([*WARDGATE, "serve", "-c", "wardgate.yaml"], gateway_port(ready), ready):
        done = init(ready, "--if-needed")
        assert (done.returncode, "nothing to do" in done.stderr) == (0, True)


def test_a_store_that_the_system_refuses_is_said_plainly(ready: Path) -> None:
    """In one line, with the system's reason."""
    config = ready / "wardgate.yaml"
    text = re.sub("sqlite:///.*", f"sqlite:///{'x' * 300}", config.read_text())
    config.write_text(text)
    for done in (serve(ready), init(ready)):
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert os.strerror(errno.ENAMETOOLONG) in done.stderr


def test_the_admin_server_does_not_hold_up_the_end(ready: Path) -> None:
    """A request to it that never becomes whole has as long as what runs at the gateway."""
    config = ready / "wardgate.yaml"
    config.write_text(config.read_text() + "limits: {drain_timeout: 0.5}\n")
    command = [*WARDGATE, "serve", "-c", "wardgate.yaml"]
    with (
        running(command, port(ready, 5), ready) as process,
        socket.create_connection(("127.0.0.1", port(ready, 5))) as client,
    ):
        client.sendall(b"POST /v2-beta/apikeys HTTP/1.1\r\nHost: localhost\r\n")
        client.sendall(b"Content-Length: 100\r\n\r\n{")
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("line", [0, 5])
def test_a_port_that_is_taken_is_named(ready: Path, line: int) -> None:
    """In one line, whether it was the gateway's or the admin server's."""
    with socket.create_server(("127.0.0.1", port(ready, line))):
        done = serve(ready)
    assert done.returncode == 1
    told = [text for text in done.stderr.splitlines() if "listen" in text]
    assert told == [
        f"wardgate: cannot listen on 127.0.0.1:{port(ready, line)}: {os.strerror(errno.EADDRINUSE)}"
    ]


def test_an_empty_store_is_refused_untouched(ready: Path) -> None:
    """A file of no bytes was a store once, or is somebody else's."""
    store = ready / "var" / "wardgate.db"
    store.write_bytes(b"")
    done = serve(ready)
    assert (done.returncode, "empty" in done.stderr) == (1, True)
    assert store.read_bytes() == b""


@pytest.mark.parametrize("pragma", ["user_version = 999", "application_id = 1"])
def test_a_store_that_is_not_for_this_program_is_refused_untouched(
    ready: Path, pragma: str
) -> None:
    """In one line."""
    path = ready / "var" / "wardgate.db"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA {pragma}")
    db.close()
    before = path.read_bytes()
    done = serve(ready)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["noise", "cut", "page"])
def test_a_damaged_store_is_refused_untouched(ready: Path, damage: str) -> None:
    """Whatever is broken of it: in one line that names the file."""
    path = ready / "var" / "wardgate.db"
    sound = path.read_bytes()
    damaged = {
        "noise": b"\xa5" * len(sound),
        "cut": sound[:6000],
        "page": sound[:4096] + b"\xa5" * 8192 + sound[12288:],
    }[damage]
    path.write_bytes(damaged)
    done = serve(ready)
    assert done.returncode == 1
    assert done.stderr.startswith(f"wardgate: store {path} ")
    assert done.stderr.count("\n") == 1
    assert path.read_bytes() == damaged


def test_an_upstream_that_is_down_is_said_and_served_without(ready: Path) -> None:
    """The gateway starts, names it in one line, and SIGTERM ends the gateway with status 0."""
    with running(
        [*WARDGATE, "serve", "-c", "wardgate.yaml"], gateway_port(ready), ready
    ) as process:
        url = f"http://127.0.0.1:{port(ready, 1)}"
        await_text(ready / "err", f"upstream default ({url}) does not answer: ", process)
        process.terminate()
        assert process.wait(PATIENCE) == 0
    (line,) = [text for text in (ready / "err").read_text().splitlines() if url in text]
    assert line.endswith("; requests get 502 until it does")
