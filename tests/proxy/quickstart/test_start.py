"""The first five minutes: what is printed, and that it works as it is printed."""

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
"""A folder whose name means something in YAML and in a shell."""


class Quickstart:
    """A folder to start it in, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway, self.api = free_port(), free_port()

    @property
    def options(self) -> list[str]:
        """Where to listen, and where to keep things."""
        gateway, api = f"127.0.0.1:{self.gateway}", f"127.0.0.1:{self.api}"
        return ["quickstart", "--listen", gateway, "--admin-listen", api, "--var", VAR]

    @contextmanager
    def started(self, ready: str) -> Iterator[str]:
        """It runs, and has said `ready`: what it has printed since it was started."""
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
    """Somewhere that it has not been started yet."""
    return Quickstart(tmp_path)


def bash(script: str) -> list[str]:
    """The lines that a script prints."""
    program("curl")
    done = subprocess.run(
        [program("bash"), "-euc", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout.splitlines()


def test_what_the_first_start_prints_can_be_pasted_and_the_second_keeps_it(
    here: Quickstart,
) -> None:
    """A key for a new environment, used at once; later no secret is shown, and the key works."""
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


def test_the_sample_gives_way_to_whoever_is_on_its_port(here: Quickstart) -> None:
    """It listens elsewhere, and the gateway knows where."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody else is there, which will do
            taken.bind(("127.0.0.1", SAMPLE_PORT))
            taken.listen()
        with here.started("/hosts\n") as printed:
            admin = "{}:{}".format(*re.findall(r"(?m)^  .*\):  +(\S+)$", printed))
            url = f"http://127.0.0.1:{here.gateway}/ping"
            assert bash(f"curl -s -u '{admin}' {url}") == ["pong"]


def test_an_upstream_that_is_none_is_refused_before_anything_is_made(here: Quickstart) -> None:
    """In one line that says what is wrong with it."""
    done = wardgate(*here.options, "--upstream", "nonsense", cwd=here.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "upstream" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (here.folder / VAR / "wardgate.db").exists()


def test_a_key_that_was_made_is_shown_even_where_the_start_fails(here: Quickstart) -> None:
    """It would be lost: the next start does not show it."""
    upstream = ("--upstream", "http://127.0.0.1:1")
    with socket.create_server(("127.0.0.1", here.gateway)):
        done = wardgate(*here.options, *upstream, cwd=here.folder)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{here.gateway}: " in done.stderr
    assert "wgs_" in done.stdout


def test_a_folder_that_cannot_be_made_is_said_plainly(here: Quickstart) -> None:
    """In one line, with the system's reason."""
    (here.folder / VAR).write_text("a file")
    done = wardgate(*here.options, cwd=here.folder)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"cannot write {VAR}" in done.stderr
