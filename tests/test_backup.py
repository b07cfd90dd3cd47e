"""`wardgate store`: a backup while the server runs, and the store that is made of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.programs import WARDGATE, free_port, running, wardgate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a configuration and a store with an admin."""
    tmp_path.chmod(0o700)
    (tmp_path / "wardgate.yaml").write_text(
        f"listen: 127.0.0.1:{free_port()}\nupstream: http://127.0.0.1:1\nbcrypt_rounds: 4\n"
        f"store: sqlite:///var/wardgate.db\nadmin: {{listen: '127.0.0.1:{free_port()}'}}\n"
    )
    init = ("init", "--config", "wardgate.yaml", "--save-key", "key.json")
    assert wardgate(*init, cwd=tmp_path).returncode == 0
    return tmp_path


def port_of(folder: Path) -> int:
    """Where the admin server listens."""
    return int((folder / "wardgate.yaml").read_text().rpartition(":")[2].strip("'}\n"))


def store(folder: Path, command: str, file: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run `wardgate store`, behind another command."""
    words = [*before, *WARDGATE, "store", command, "--config", "wardgate.yaml", file]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def ask(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that asks the admin server, with the admin's key."""
    key = json.loads((folder / "key.json").read_text())
    named = {
        "WARDGATE_URL": f"http://127.0.0.1:{port_of(folder)}",
        "WARDGATE_ACCESS_KEY": key["publicValue"],
        "WARDGATE_SECRET_KEY": key["secretValue"],
    }
    words = [*WARDGATE, *command]
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | named
    )


def test_a_backup_of_a_running_server_is_restored(folder: Path) -> None:
    """What was changed since is undone; the audit log verifies, and its new head is logged. The
    server has to be stopped, and its store moved away."""
    serve = [*WARDGATE, "serve", "--config", "wardgate.yaml"]
    with running(serve, port_of(folder), folder):
        ask(folder, "environments", "create", "Before")
        head = ask(folder, "audit", "verify", "--quiet").stdout.strip()
        done = store(folder, "backup", "backup.db")
        assert (done.returncode, done.stdout) == (0, "")
        assert "protect it like the store itself" in done.stderr
        ask(folder, "environments", "create", "After")
        refused = store(folder, "restore", "backup.db")
        assert (refused.returncode, "exists already" in refused.stderr) == (1, True)
        shutil.move(folder / "var" / "wardgate.db", folder / "moved.db")
        refused = store(folder, "restore", "backup.db")
        assert (refused.returncode, "is in use" in refused.stderr) == (1, True)
        shutil.move(folder / "moved.db", folder / "var" / "wardgate.db")
    shutil.move(folder / "var", folder / "old")
    done = store(folder, "restore", "backup.db")
    assert done.returncode == 0, done.stderr
    assert "work again" in done.stderr
    with running(serve, port_of(folder), folder):
        listed = ask(folder, "environments", "list").stdout
        assert "Before" in listed
        assert "After" not in listed
        verified = ask(folder, "audit", "verify", "--head", head, "--quiet")
        assert verified.returncode == 0, verified.stderr
        assert f"audit {verified.stdout.strip()} store.restore" in done.stderr


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_without_room_nothing_is_left(folder: Path, command: str) -> None:
    """Exit status 1 and the cause."""
    assert store(folder, "backup", "whole.db").returncode == 0
    if command == "restore":
        shutil.move(folder / "var", folder / "old")
    before = {each.name for each in folder.iterdir()} | {"var"}
    file = {"backup": "new.db", "restore": "whole.db"}[command]
    limited = ("sh", "-c", 'ulimit -f 100; exec "$@"', "sh")
    done = store(folder, command, file, *limited)
    assert done.returncode == 1
    assert done.stderr.startswith("wardgate: cannot ")
    assert "disk" in done.stderr
    assert {each.name for each in folder.iterdir()} == before
    assert command == "backup" or os.listdir(folder / "var") == ["wardgate.db.lock"]
