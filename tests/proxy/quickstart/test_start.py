"""The quickstart: what it prints, and that this works when it is pasted."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from proxy.quickstart.start import SAMPLE_PORT
from tests.patience import PATIENCE
from tests.programs import WARDGATE, await_text, free_port, program, running, wardgate

VAR = "its: #data"
"""A directory whose name has a meaning in YAML and in a shell."""


class Quickstart:
    """A directory to start it in, and free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway, self.api = free_port(), free_port()

    @property
    def options(self) -> list[str]:
        """The command and its options."""
        gateway, api = f"127.0.0.1:{self.gateway}", f"127.0.0.1:{self.api}"
        return ["quickstart", "--listen", gateway, "--admin-listen", api, "--var", VAR]

    @contextmanager
    def started(self, ready: str) -> Iterator[str]:
        """Run it until it has printed `ready`, and yield its output."""
        out = self.folder / "out"
        out.write_text("")
        command = [*WARDGATE, *self.options]
        with running(command, self.api, self.folder) as process:
            await_text(out, ready, process)
            yield out.read_text()
            process.terminate()
            assert process.wait(PATIENCE) == 0


@pytest.fixture
def here(tmp_path: Path) -> Quickstart:
    """A quickstart that was never started."""
    return Quickstart(tmp_path)


def bash(script: str) -> list[str]:
    """Run a script, and return the lines that it prints."""
    program("curl")
    done = subprocess.run(
        [program("bash"), "-euc", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout.splitlines()


def test_the_output_of_the_first_start_can_be_pasted_and_a_later_start_keeps_the_key(
    here: Quickstart,
) -> None:
    """The pasted lines create a key and use it; later no secret is shown, and the key works."""
    with here.started("/hosts\n") as printed:
        admin = re.search(r"password\): +(wgs_\S+)", printed)
        assert admin
        pasted = re.findall(r"(?m)^  (?!Access|Secret)(.*)$", printed)
        key, answer = bash("\n".join(pasted))
        assert json.loads(answer) == {"data": []}
    url = f"http://127.0.0.1:{here.gateway}/v1/projects/demo/hosts"
    with here.started("is kept") as printed:
        assert "wgs_" not in printed
        assert bash(f"curl -s -u '{key}' {url}") == ['{"data": []}']
    for name in ("out", "err", f"{VAR}/wardgate.yaml"):
        said = (here.folder / name).read_text()
        assert key.split(":")[1] not in said
        assert admin[1] not in said
        assert "Traceback" not in said


def test_the_sample_api_uses_another_port_if_its_own_is_taken(here: Quickstart) -> None:
    """And the gateway reaches it there."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # another program listens there, which serves as well
            taken.bind(("127.0.0.1", SAMPLE_PORT))
            taken.listen()
        with here.started("/hosts\n") as printed:
            admin = "{}:{}".format(*re.findall(r"(?m)^  .*\):  +(\S+)$", printed))
            url = f"http://127.0.0.1:{here.gateway}/ping"
            assert bash(f"curl -s -u '{admin}' {url}") == ["pong"]


def test_a_malformed_upstream_is_refused_before_a_store_is_made(here: Quickstart) -> None:
    """In one line that says what is wrong with it."""
    done = wardgate(*here.options, "--upstream", "nonsense", cwd=here.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "upstream" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (here.folder / VAR / "wardgate.db").exists()


def test_the_first_key_is_shown_even_if_the_start_fails(here: Quickstart) -> None:
    """Because the next start does not show it again."""
    upstream = ("--upstream", "http://127.0.0.1:1")
    with socket.create_server(("127.0.0.1", here.gateway)):
        done = wardgate(*here.options, *upstream, cwd=here.folder)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{here.gateway}: " in done.stderr
    assert "wgs_" in done.stdout


def test_a_directory_that_cannot_be_made_is_reported_in_one_line(here: Quickstart) -> None:
    """With the system's reason."""
    (here.folder / VAR).write_text("a file")
    done = wardgate(*here.options, cwd=here.folder)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"cannot write {VAR}" in done.stderr
