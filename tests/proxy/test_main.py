"""The command line: what it does, and one clear message where it cannot."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.programs import WARDGATE, free_port, running, wardgate


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


def gate_port(folder: Path) -> int:
    """Where the configuration has the gate listen."""
    return int((folder / "wardgate.yaml").read_text().splitlines()[0].rpartition(":")[2])


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
    for command in (["check-config"], ["serve", "--config"], ["init", "--config"]):
        done = wardgate(*command, "wardgate.yaml", cwd=folder)
        assert done.returncode == 2
        for place in (
            "wardgate.yaml:1: listen",
            "wardgate.yaml:2: upstrem",
            "wardgate.yaml:4: limits.fields",
        ):
            assert place in done.stderr
        assert "Traceback" not in done.stderr
    assert not (folder / "var").exists()


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


def test_a_ready_pair_is_taken_from_files(folder: Path) -> None:
    """As it is, or refused without being repeated."""
    (folder / "access").write_text("first.admin\n")
    (folder / "secret").write_text("too-short\n")
    files = ("--access-key-file", "access", "--secret-key-file", "secret")
    refused = init(folder, *files)
    assert refused.returncode == 1
    assert "too-short" not in refused.stderr
    assert init(folder, *files[:2]).returncode == 2
    (folder / "secret").write_text("long-enough-for-a-secret\n")
    done = init(folder, *files, "--output", "json")
    assert json.loads(done.stdout)["publicValue"] == "first.admin"


def test_a_lost_key_is_replaced_and_leaves_a_trace(folder: Path) -> None:
    """With the server stopped, by whoever holds the store's file."""
    assert init(folder, "--recover").returncode == 1
    assert not (folder / "var").exists()
    first = json.loads(init(folder, "--output", "json").stdout)
    second = json.loads(init(folder, "--recover", "--output", "json").stdout)
    assert second["accountId"] == first["accountId"]
    assert second["publicValue"] != first["publicValue"]
    with sqlite3.connect(folder / "var" / "wardgate.db") as db:
        acts = [row[0] for row in db.execute("SELECT act FROM audit ORDER BY sequence")]
    db.close()
    assert acts[-1] == "key.recover"


def test_serving_without_a_store_says_how_to_make_one(folder: Path) -> None:
    """And makes none by itself."""
    done = serve(folder)
    assert done.returncode == 1
    assert "wardgate init" in done.stderr
    assert not (folder / "var").exists()


def test_a_store_that_is_held_is_refused_and_its_holder_named(folder: Path) -> None:
    """To a second server and to init alike."""
    init(folder)
    with running([*WARDGATE, "serve", "-c", "wardgate.yaml"], gate_port(folder), folder) as first:
        for done in (serve(folder), init(folder), init(folder, "--recover")):
            assert done.returncode == 1
            assert f"in use by process {first.pid} (wardgate serve)" in done.stderr
            assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    """In one line."""
    init(folder)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", gate_port(folder)))
        taken.listen()
        done = serve(folder)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"wardgate: cannot listen on 127.0.0.1:{gate_port(folder)}: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("pragma", ["user_version = 999", "application_id = 1"])
def test_a_store_that_is_not_for_this_program_is_refused_untouched(
    folder: Path, pragma: str
) -> None:
    """In one line."""
    init(folder)
    path = folder / "var" / "wardgate.db"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA {pragma}")
    db.close()
    before = path.read_bytes()
    done = serve(folder)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert path.read_bytes() == before


def test_an_upstream_that_is_down_is_said_and_served_without(folder: Path) -> None:
    """The gate starts, and SIGTERM ends it with status 0."""
    init(folder)
    with running([*WARDGATE, "serve", "-c", "wardgate.yaml"], gate_port(folder), folder) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(10) == 0
    said = (folder / "err").read_text()
    assert "does not answer" in said
    assert "502" in said


def test_secrets_are_in_no_process_list(folder: Path) -> None:
    """Neither in the arguments nor in the environment of a server."""
    secret = json.loads(init(folder, "--output", "json").stdout)["secretValue"]
    with running([*WARDGATE, "serve", "-c", "wardgate.yaml"], gate_port(folder), folder) as process:
        for name in ("cmdline", "environ"):
            assert secret.encode() not in Path(f"/proc/{process.pid}/{name}").read_bytes()
    assert os.listdir(folder / "var")
