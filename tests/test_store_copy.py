"""`wardgate store copy`: a store moves to PostgreSQL, and the server goes on with it there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import free_port, wardgate
from tests.support.postgres import server


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A working directory with a store, and a configuration for one in PostgreSQL whose password
    is not right yet."""
    tmp_path.chmod(0o700)
    rest = (
        f"listen: 127.0.0.1:{free_port()}\nupstream: http://127.0.0.1:1\nbcrypt_rounds: 4\n"
        f"admin: {{listen: '127.0.0.1:{free_port()}'}}\n"
    )
    port = free_port()
    with server() as made:
        made.stop()
        made.put("pg_hba.conf", b"local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        made.port = port
        made.start()
        made.sql("CREATE ROLE wardgate LOGIN PASSWORD 'sesame'")
        made.sql("CREATE DATABASE wardgate OWNER wardgate")
        (tmp_path / "old.yaml").write_text(f"store: sqlite:///var/wardgate.db\n{rest}")
        (tmp_path / "new.yaml").write_text(
            f"store: postgresql://wardgate@127.0.0.1:{port}/wardgate\n{rest}"
            f"postgres: {{password_file: {tmp_path}/password}}\n"
        )
        put_password(tmp_path, "wrong")
        init = ("init", "--config", "old.yaml", "--save-key", "key.json")
        assert wardgate(*init, cwd=tmp_path).returncode == 0
        yield tmp_path


def put_password(folder: Path, password: str) -> None:
    """Write the file with the password."""
    path = folder / "password"
    path.write_text(f"{password}\n")
    path.chmod(0o600)


def test_a_store_moves_and_the_old_one_is_refused_until_it_is_reopened(folder: Path) -> None:
    """A wrong password changes nothing, and no password is shown."""
    words = ("store", "copy", "--from", "old.yaml", "--to", "new.yaml")
    failed = wardgate(*words, cwd=folder)
    assert failed.returncode == 1
    assert "password authentication failed" in failed.stderr
    put_password(folder, "sesame")
    tried = wardgate(*words, "--dry-run", cwd=folder)
    assert (tried.returncode, tried.stderr.endswith("keys would be copied\n")) == (0, True)
    done = wardgate(*words, cwd=folder)
    assert (done.returncode, done.stderr.endswith("start the server with the new store\n")) == (
        0,
        True,
    )
    assert "sesame" not in failed.stderr + tried.stderr + done.stderr
    refused = wardgate("serve", "--config", "old.yaml", cwd=folder)
    assert refused.returncode == 1
    assert "has moved to postgresql://wardgate@127.0.0.1:" in refused.stderr
    reopened = wardgate("store", "reopen", "--config", "old.yaml", cwd=folder)
    assert (reopened.returncode, "is open again" in reopened.stderr) == (0, True)
    again = wardgate(*words, cwd=folder)
    assert (again.returncode, "already: it is not overwritten" in again.stderr) == (1, True)
