"""PgBouncer between a node and PostgreSQL: the node refuses to start, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.store.postgres.address import SETTINGS
from tests.installation import CONFIG, Installation
from tests.programs import free_port, program, running, wardgate
from tests.support.postgres import NOT_AS_ROOT, Server, shared_server

POOLER = "a pooler is in between, which a node cannot use: name PostgreSQL itself"
IGNORED = ", ".join([*SETTINGS, "statement_timeout", "default_transaction_read_only"])
"""What operators tell PgBouncer to drop where a program's settings are refused."""


@contextmanager
def pgbouncer(folder: Path, server: Server, mode: str, ignored: str) -> Iterator[int]:
    """The port of a PgBouncer in front of a server."""
    port, file = free_port(), folder / "pgbouncer.ini"
    file.write_text(
        f"[databases]\n* = host={server.folder} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        f"ignore_startup_parameters = {ignored}\n"
    )
    with running([*NOT_AS_ROOT, program("pgbouncer"), str(file)], port, folder):
        yield port


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(the folder of a node, the database of its store), which was made without a pooler."""
    folder = tmp_path_factory.mktemp("pooler")
    url = shared_server().new_url()
    Installation(folder, store=url, cluster={"name": "a", "run_directory": "run"})
    return folder, url.removeprefix("postgresql://postgres@/").partition("?")[0]


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("ignored", ["", IGNORED], ids=["as it comes", "told to drop settings"])
def test_a_node_refuses_to_start(here: tuple[Path, str], mode: str, ignored: str) -> None:
    """One line says what to do instead. The store is as it was."""
    (folder, database), server = here, shared_server()

    def kept() -> str:
        counts = "(SELECT count(*) FROM wardgate.nodes), (SELECT count(*) FROM wardgate.audit)"
        return server.sql(f"SELECT meta::text, {counts} FROM wardgate.meta", database)

    before = kept()
    file = folder / CONFIG
    with pgbouncer(folder, server, mode, ignored) as port:
        there = f"postgresql://postgres@127.0.0.1:{port}/{database}"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"store": there}))
        for command in ("serve", "init"):
            done = wardgate(command, "-c", CONFIG, cwd=folder)
            assert done.returncode == 1
            assert f"wardgate: store {there} cannot be used: {POOLER}" in done.stderr
            assert done.stderr.count("\n") == 1
            assert done.stdout == ""
    assert kept() == before
