"""The quickstart: what it prints, and that this works when it is pasted."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from proxy.quickstart.start import SAMPLE_PORT
from tests.patience import PATIENCE
from tests.programs import (
    WARDGATE,
    await_refusal,
    await_text,
    free_port,
    program,
    running,
    wardgate,
)

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

    @property
    def out(self) -> str:
        """What it has printed."""
        return (self.folder / "out").read_text()

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
        assert (self.folder / "err").read_text() == ""

    def show(self) -> str:
        """The lines to paste, shown again."""
        done = wardgate("quickstart", "--show", "--var", VAR, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def here(tmp_path: Path) -> Quickstart:
    """A quickstart that was never started."""
    return Quickstart(tmp_path)


def lines(printed: str) -> str:
    """The lines to paste."""
    return "\n".join(re.findall(r"(?m)^  (?=[A-Z_]+=|field|curl|echo)(.*)$", printed))


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


END = "print the key and use it.\n"
"""What a start that made the first key prints last."""


def test_the_output_of_the_first_start_can_be_pasted_and_a_later_start_keeps_the_key(
    here: Quickstart,
) -> None:
    """The pasted lines create a key and use it; later no secret is shown, and the key works."""
    with here.started(END) as printed:
        admin = re.search(r"password\): +(wgs_\S+)", printed)
        assert admin
        key, answer = bash(lines(printed))
        assert json.loads(answer) == {"data": []}
    url = f"http://127.0.0.1:{here.gateway}/v1/projects/demo/hosts"
    with here.started("--recover") as printed:
        assert "wgs_" not in printed
        assert bash(f"curl -s -u '{key}' {url}") == ['{"data": []}']
    for name in ("out", *(f"{VAR}/{each}" for each in SAVED)):
        said = (here.folder / name).read_text()
        assert key.split(":")[1] not in said
        assert admin[1] not in said
        assert "Traceback" not in said


SAVED = ("wardgate.yaml", "quickstart.json", "admin-access-key", "access.log")
"""The files that it writes, besides the store."""


def test_the_lines_can_be_pasted_twice(here: Quickstart) -> None:
    """The second time the environment is there, and another key is made for it."""
    with here.started(END) as printed:
        one, two = bash(lines(printed)), bash(lines(printed))
    assert one[1] == two[1] == '{"data": []}'
    assert one[0] != two[0]


def test_the_lines_are_shown_again_without_the_secret_key(here: Quickstart) -> None:
    """With the access key; they work once the secret key is written into them."""
    with here.started(END) as printed:
        secret = re.findall(r"password\): +(wgs_\S+)", printed)[0]
        shown = here.show()
        assert secret not in shown
        assert lines(shown).replace("SECRET_KEY", secret) == lines(printed)
    with here.started("--recover"):
        assert here.show() == shown


def test_a_wrong_admin_key_in_the_lines_shows_the_answer(here: Quickstart) -> None:
    """And no traceback."""
    with here.started(END):
        script = lines(here.show()).replace("SECRET_KEY", "wrong")
        done = subprocess.run(
            [program("bash"), "-c", script],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert "failed: {" in done.stderr
    assert "Unauthorized" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_lines_cannot_be_shown_before_there_was_a_start(here: Quickstart) -> None:
    """The message says what writes them."""
    done = wardgate("quickstart", "--show", "--var", VAR, cwd=here.folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "`make run`" in done.stderr


def test_nothing_is_left_behind_when_it_is_killed(here: Quickstart) -> None:
    """Neither a process nor a listener; and the next start works."""
    with running([*WARDGATE, *here.options], here.api, here.folder) as process:
        await_text(here.folder / "out", END, process)
        upstream = re.findall(r"sample API on http://127.0.0.1:(\d+)", here.out)[0]
        with socket.create_connection(("127.0.0.1", int(upstream))):
            process.kill()
            process.wait(PATIENCE)
    for port in (here.gateway, here.api, int(upstream)):
        await_refusal(port)
    with here.started("--recover"):
        pass


def test_the_sample_api_uses_another_port_if_its_own_is_taken(here: Quickstart) -> None:
    """And the gateway reaches it there."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # another program listens there, which serves as well
            taken.bind(("127.0.0.1", SAMPLE_PORT))
            taken.listen()
        with here.started(END) as printed:
            admin = "{}:{}".format(
                *re.findall(r"(?m)^  (?:Access|Secret) key \(.*\):  +(\S+)$", printed)
            )
            url = f"http://127.0.0.1:{here.gateway}/ping"
            assert bash(f"curl -s -u '{admin}' {url}") == ["pong"]


def test_a_malformed_upstream_is_refused_before_a_store_is_made(here: Quickstart) -> None:
    """In one line that says what is wrong with it."""
    done = wardgate(*here.options, "--upstream", "nonsense", cwd=here.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "upstream" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (here.folder / VAR / "wardgate.db").exists()


def test_a_taken_address_is_found_before_a_key_is_made(here: Quickstart) -> None:
    """That of the gateway and that of the admin server, with what to do; nothing is written."""
    for port in (here.gateway, here.api):
        with socket.create_server(("127.0.0.1", port)):
            done = wardgate(*here.options, cwd=here.folder)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert f"cannot listen on 127.0.0.1:{port}: " in done.stderr
        assert "make run LISTEN=host:port ADMIN=host:port" in done.stderr
    assert not (here.folder / VAR).exists()


def test_a_second_start_in_a_folder_names_the_first_and_changes_nothing(here: Quickstart) -> None:
    """Even if it is to listen elsewhere."""
    with here.started(END):
        before = [(here.folder / VAR / each).read_text() for each in SAVED]
        other = Quickstart(here.folder)
        done = wardgate(*other.options, cwd=here.folder)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert "is in use by process" in done.stderr
        assert before == [(here.folder / VAR / each).read_text() for each in SAVED]


@pytest.mark.parametrize("address", ["127.0.0.1:0", "unix:admin.sock"])
def test_an_address_that_nobody_could_paste_is_refused(here: Quickstart, address: str) -> None:
    """A free port of the system's choice, and a Unix socket."""
    done = wardgate(*here.options, "--admin-listen", address, cwd=here.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "admin.listen: should be host:port, with a port other than 0" in done.stderr


def test_the_first_key_is_shown_even_if_the_start_fails(here: Quickstart) -> None:
    """Because the next start does not show it again: another program takes the address while the
    key is made."""
    code = """
import socket, sys
from proxy.__main__ import main
from proxy.quickstart import start

def initialise(*args, made=start.initialise, **options):
    first = made(*args, **options)
    globals()["taken"] = socket.create_server(("127.0.0.1", int(sys.argv.pop())))
    return first

start.initialise = initialise
main(sys.argv[1:-1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *here.options, str(here.gateway)],
        cwd=here.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{here.gateway}: " in done.stderr
    assert "wgs_" in done.stdout


def test_a_directory_that_cannot_be_made_is_reported_in_one_line(here: Quickstart) -> None:
    """With the system's reason."""
    (here.folder / VAR).write_text("a file")
    done = wardgate(*here.options, cwd=here.folder)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Not a directory" in done.stderr
