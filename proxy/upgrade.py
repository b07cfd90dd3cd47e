"""`wardgate upgrade`: asks the master that serves to exchange its program, and waits for that.

Tested in `tests/test_upgrade.py`.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Final

from proxy.config.model import Config
from proxy.domain.errors import WardgateError
from proxy.processes.register import Entry, running
from proxy.supervise import register_path

PATIENCE: Final = 120.0
"""Seconds until it gives up waiting. The master goes on."""


def upgrade(config: Config) -> int:
    """Exchange the program of the master that serves by `config`. Returns its process id. Raises
    `WardgateError`."""
    before = _running(config)
    try:
        os.kill(before.pid, signal.SIGUSR2)
    except OSError as error:
        raise WardgateError(f"cannot reach process {before.pid}: {error.strerror}") from None
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(0.05)
        now = _running(config)
        if now.attempts == before.attempts:
            continue
        if now.generation == before.generation:
            raise WardgateError(f"the program is not exchanged: {now.error}")
        return now.pid
    raise WardgateError(
        f"process {before.pid} has not exchanged its program within {PATIENCE:g} s: see its log"
    )


def _running(config: Config) -> Entry:
    path = register_path(config)
    try:
        found = running(path)
    except OSError as error:
        raise WardgateError(f"cannot read {path}: {error.strerror}") from None
    if found is None:
        raise WardgateError(f"no server with several workers runs by {path}")
    return found
