"""The npm packages that tests use, installed here at their first use, as the lock says."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from tests.programs import cannot, program

_HERE = Path(__file__).parent


def npm_package(name: str) -> Path:
    """The folder of the package `name`. Where it cannot be installed, the test is skipped; in CI it
    fails."""
    packages = _HERE / "node_modules"
    with (_HERE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        installed, wanted = packages / ".package-lock.json", _HERE / "package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            command = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=_HERE, capture_output=True, text=True, check=False)
            if done.returncode:
                cannot(f"npm cannot install {name}: {done.stderr.strip()[-500:]}")
    return packages / name
