"""slowhttptest, in its four modes at once, does not keep others from being served."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from pathlib import Path

from tests.clients.origin import BASE
from tests.installation import Installation
from tests.load.crowd import handles, until
from tests.patience import PATIENCE
from tests.programs import free_port, module, program, running

CROWD = 100
MODES = {
    "heads": ("large", "-H", "-i", "1"),
    "bodies": ("echo", "-B", "-i", "20", "-s", "8192", "-t", "POST"),
    "readers": ("large", "-X", "-w", "10", "-y", "20", "-n", "1", "-z", "8", "-k", "3"),
    "ranges": ("large", "-R"),
}
SECONDS = 60
"""The longest that each mode runs."""


def test_slowhttptest_holds_no_connection_for_long(tmp_path: Path) -> None:
    """It is let loose on routes that need no key. The service is available all the while, and what
    the four modes hold is closed while they are still running."""
    command = program("slowhttptest")
    limits = {
        "head_timeout": 5,  # slowhttptest's own probe of the service keeps to it too
        "keepalive_timeout": 5,
        "body_idle_timeout": 5,
        "stalled_reader_timeout": 5,
    }
    routes = [{"path": f"{BASE}/**", "access": "public"}]
    here = Installation(tmp_path, upstream := free_port(), limits=limits, routes=routes)
    (origin := tmp_path / "origin").mkdir()
    with (
        running(module("tests.clients.origin", str(upstream), "."), upstream, origin),
        here.serving() as gateway,
    ):
        at_rest = handles(gateway.pid)
        attacks = {}
        for mode, (path, *options) in MODES.items():
            url = f"http://127.0.0.1:{here.gateway}{BASE}/{path}"
            size = ("-c", str(CROWD), "-r", str(CROWD), "-l", str(SECONDS), "-p", "20")
            attacks[mode] = subprocess.Popen(
                [command, *options, *size, "-u", url],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=tmp_path,
            )
        until(lambda: handles(gateway.pid) >= at_rest + CROWD)
        until(lambda: handles(gateway.pid) <= at_rest + 10)  # the probes go on
        assert attacks["readers"].poll() is None
        attacks["readers"].send_signal(signal.SIGINT)  # else it reads what has arrived already
        output = {mode: attack.communicate(timeout=PATIENCE)[0] for mode, attack in attacks.items()}
    for mode, text in output.items():
        assert "service available" in text, text
        for line in text.splitlines():
            if "service available" in line:
                assert "YES" in line, f"{mode}: {text}"
        if mode != "readers":
            assert "No open connections left" in text, f"{mode}: {text}"
    reasons = Counter(line.get("reason") for line in here.log)
    assert reasons["head-timeout"] == reasons["body-idle"] == reasons["field-size"] == CROWD
    assert "Traceback" not in (tmp_path / "err").read_text()
