"""slowhttptest, in its four modes at once, finds nothing to hold."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

from tests.clients.origin import BASE
from tests.load.crowd import handles, until
from tests.patience import PATIENCE
from tests.programs import free_port, module, program, running
from tests.test_end_to_end import Installation

CROWD = 100
MODES = {
    "heads": ("large", "-H", "-i", "1"),
    "bodies": ("echo", "-B", "-i", "20", "-s", "8192", "-t", "POST"),
    "readers": ("large", "-X", "-w", "10", "-y", "20", "-n", "1", "-z", "8", "-k", "3"),
    "ranges": ("large", "-R"),
}
SECONDS = 60
"""Of each mode, at most."""


def test_nothing_is_held(tmp_path: Path) -> None:
    """On routes that ask for no key: the service is there all the while, and whatever the four
    hold is let go while they are still at it."""
    command = program("slowhttptest")
    here = Installation(tmp_path, upstream := free_port())
    config = tmp_path / "wardgate.yaml"
    limits = {
        "head_timeout": 5,  # whoever asks whether the service is there must keep to it
        "keepalive_timeout": 5,
        "body_idle_timeout": 5,
        "stalled_reader_timeout": 5,
    }
    routes = [{"path": f"{BASE}/**", "access": "public"}]
    config.write_text(
        f"{config.read_text()}routes: {json.dumps(routes)}\nlimits: {json.dumps(limits)}\n"
    )
    (origin := tmp_path / "origin").mkdir()
    with (
        running(module("tests.clients.origin", str(upstream), "."), upstream, origin),
        running(here.command, here.api, tmp_path) as gateway,
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
        until(lambda: handles(gateway.pid) <= at_rest + 10)  # they go on asking whether it is there
        assert attacks["readers"].poll() is None
        attacks["readers"].send_signal(signal.SIGINT)  # they read on what has arrived
        said = {mode: attack.communicate(timeout=PATIENCE)[0] for mode, attack in attacks.items()}
    for mode, text in said.items():
        assert "service available" in text, text
        for line in text.splitlines():
            if "service available" in line:
                assert "YES" in line, f"{mode}: {text}"
        if mode != "readers":
            assert "No open connections left" in text, f"{mode}: {text}"
    lines = map(json.loads, (tmp_path / "access.log").read_text().splitlines())
    reasons = Counter(line.get("reason") for line in lines)
    assert reasons["head-timeout"] == reasons["body-idle"] == reasons["field-size"] == CROWD
    assert "Traceback" not in (tmp_path / "err").read_text()
