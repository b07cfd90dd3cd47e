"""A `wardgate serve` of its own process, and commands run against it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from click.testing import CliRunner

from proxy.__main__ import main
from tests.installation import Installation
from tests.patience import PATIENCE
from tests.programs import WARDGATE, free_port

numbers = count(1)


def fresh(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{next(numbers)}"


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table with its header. Cells hold no two spaces in a row."""
        return [
            [cell.strip() for cell in line.split("  ") if cell] for line in self.out.splitlines()
        ]

    @property
    def key(self) -> str:
        """The id of a key that was created."""
        return str(self.data["id"])


@dataclass(frozen=True)
class Served:
    """A running gateway and admin server, the admin's key, and a home with a .netrc that holds
    it."""

    folder: Path
    gateway: str
    url: str
    socket: Path
    access_key: str
    secret: str
    home: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, input: str = "", **env: str) -> Done:
        """Run a command in this process."""
        result = CliRunner().invoke(
            main, arguments, input=input, env={**self.env, **env}, prog_name="wardgate"
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def json(self, *arguments: str, **env: str) -> Any:
        """The JSON that a command prints, which must succeed."""
        done = self.run(*arguments, "--output", "json", **env)
        assert (done.status, done.err) == (0, "")
        return done.data

    def process(self, *arguments: str, input: str = "", **env: str) -> Done:
        """Run a command in a process of its own, without a terminal."""
        done = subprocess.run(
            [*WARDGATE, *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], **self.env, **env},
            input=input,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def at_terminal(
        self, *arguments: str, typed: str = "", prompt: str = "[y/N]: ", **env: str
    ) -> Done:
        """Run a command at a terminal; `typed` is typed once `prompt` is shown."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*WARDGATE, *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "80", **self.env, **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # Passwords are read from the controlling terminal, and there is no other way to one.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
                if typed and prompt.encode() in shown:
                    os.write(ours, typed.encode())
                    typed = ""
        except OSError:
            pass  # the process has closed its side: EIO
        os.close(ours)
        return Done(process.wait(PATIENCE), shown.decode(), "")

    def as_key(self, key: Mapping[str, Any]) -> dict[str, str]:
        """The environment variables to use a key that was just created."""
        return {
            "WARDGATE_ACCESS_KEY": key["publicValue"],
            "WARDGATE_SECRET_KEY": key["secretValue"],
        }


@contextmanager
def serving(folder: Path, upstream: str | None = None, **admin: Any) -> Iterator[Served]:
    """A gateway in front of `upstream`, and an admin server with the settings `admin`."""
    folder.chmod(0o700)
    port = free_port()
    socket = folder / "admin.sock"
    here = Installation(
        folder,
        urlsplit(upstream).port if upstream else None,
        api=port,
        access_log="off",
        admin={"listen": [f"127.0.0.1:{port}", f"unix:{socket}"], **admin},
    )
    key = here.admin
    home = folder / "home"
    home.mkdir()
    netrc = home / ".netrc"
    netrc.touch(0o600)
    for machine in ("127.0.0.1", "localhost"):
        with netrc.open("a") as file:
            file.write(f"machine {machine} login {key.access_key} password {key.secret}\n")
    url = f"{'https' if 'tls' in admin else 'http'}://127.0.0.1:{port}"
    with here.serving():
        yield Served(
            folder,
            f"http://127.0.0.1:{here.gateway}",
            url,
            socket,
            key.access_key,
            key.secret,
            home,
            {"HOME": str(home), "WARDGATE_URL": url, "NETRC": ""},
        )


def environment(served: Served) -> str:
    """The slug of a new environment."""
    slug = fresh("env")
    served.json("environments", "create", slug, "--slug", slug)
    return slug
