"""The signals of the serving process: which of them stop it, and that SIGHUP ends nothing early."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.patience import PATIENCE
from tests.programs import WARDGATE, await_text, free_port, running


def test_sighup_during_the_stop_ends_no_request(tmp_path: Path) -> None:
    """It is answered, although the process does not reload any more."""
    here = Installation(tmp_path, limits={"drain_timeout": PATIENCE})
    with here.serving() as process:
        address = ("127.0.0.1", here.gateway)
        with socket.create_connection(address, PATIENCE) as client:
            client.sendall(b"GET /x HTTP/1.1\r\nHost: h\r\n")
            process.terminate()
            await_text(tmp_path / "err", "stopping: ", process)
            for _ in range(3):
                process.send_signal(signal.SIGHUP)
            client.sendall(b"\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 401 ")
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("nohup", [False, True])
def test_quickstart_stops_as_its_terminal_closes_unless_it_was_told_to_ignore_that(
    tmp_path: Path, nohup: bool
) -> None:
    """It stops as by Ctrl-C, with status 0. SIGHUP may come twice: from the shell, and from the
    kernel."""
    gateway, admin = free_port(), free_port()
    command = [
        *(*WARDGATE, "quickstart", "--var", "var"),
        *("--listen", f"127.0.0.1:{gateway}", "--admin-listen", f"127.0.0.1:{admin}"),
    ]
    # The tests themselves may have been started by nohup.
    how = "SIG_IGN" if nohup else "SIG_DFL"
    told = f"import os, signal, sys; signal.signal(signal.SIGHUP, signal.{how}); "
    command = [sys.executable, "-c", f"{told}os.execv(sys.argv[1], sys.argv[1:])", *command]
    tmp_path.chmod(0o700)
    with running(command, admin, tmp_path, {"PYTHONPATH": os.getcwd()}) as process:
        await_text(tmp_path / "out", "Wardgate is running", process)
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
        if nohup:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.terminate()
        assert process.wait(PATIENCE) == 0
