"""A Wardgate for processes of its own: a configuration, a store and the first admin's key."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE
from tests.programs import WARDGATE, free_port, program, wardgate
from tests.support.credentials import Credentials
from tests.support.json_lines import json_lines
from tests.support.processes import running

CONFIG = "wardgate.yaml"
"""The name of the configuration's file."""


class Installation:
    """A folder that is ready for `wardgate serve`, and what a user does with it by curl."""

    def __init__(
        self,
        folder: Path,
        upstream: int | None = None,
        *,
        api: int | None = None,
        program: Sequence[str] = WARDGATE,
        **settings: Any,
    ) -> None:
        """Write a configuration and run `wardgate init`.

        `upstream` is a port, by default one on which nobody listens; `api` is the port of the admin
        server, by default a free one; `program` is the command `wardgate`. `settings` replace those
        of the configuration, and `upstreams` replaces `upstream`.
        """
        folder.chmod(0o700)
        self.folder = folder
        self.gateway, self.api = free_port(), api or free_port()
        """The ports of the gateway and of the admin server."""
        config: dict[str, Any] = {
            "listen": f"127.0.0.1:{self.gateway}",
            "upstream": f"http://127.0.0.1:{upstream or free_port()}",
            "store": "sqlite:///var/wardgate.db",
            "bcrypt_rounds": 4,
            "access_log": "access.log",
            "admin": {"listen": f"127.0.0.1:{self.api}"},
        } | settings
        if "upstreams" in settings:
            del config["upstream"]
        (folder / CONFIG).write_text(json.dumps(config))
        made = wardgate("init", "-c", CONFIG, "--output", "json", cwd=folder, program=program)
        assert made.returncode == 0, made.stderr
        self.admin = Credentials.of(json.loads(made.stdout))
        """Those of the first admin."""
        self.command = [*program, "serve", "-c", CONFIG]

    def serving(self) -> AbstractContextManager[subprocess.Popen[str]]:
        """The gateway and the admin server, as one process, until the context ends."""
        return running(self.command, self.api, self.folder)  # the admin server listens last

    @property
    def log(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return json_lines(self.folder / "access.log")

    def curl(self, *arguments: str) -> str:
        """What curl prints for a user whose home is the folder."""
        command = [program("curl"), "-sS", *arguments]
        environment = os.environ | {"HOME": str(self.folder)}
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=PATIENCE, env=environment
        ).stdout

    def ask(self, path: str, credentials: Credentials, *arguments: str) -> int:
        """The status that curl gets for `path` at the gateway."""
        url = f"http://127.0.0.1:{self.gateway}{path}"
        user = ("-u", credentials.pair)
        return int(self.curl("-o", os.devnull, "-w", "%{http_code}", *user, *arguments, url))

    def call(self, path: str, *arguments: str) -> dict[str, Any]:
        """The resource with which the admin API answers the admin's curl."""
        url = f"http://127.0.0.1:{self.api}/v2-beta{path}"
        answer: dict[str, Any] = json.loads(self.curl("-u", self.admin.pair, *arguments, url))
        return answer

    def new_key(self, slug: str = "demo") -> tuple[str, Credentials]:
        """(the id, the credentials) of a key for a new environment."""
        environment = self.call("/projects", "-d", json.dumps({"name": slug, "slug": slug}))
        key = self.call(f"/projects/{environment['id']}/apikeys", "-d", '{"name": "k"}')
        return key["id"], Credentials.of(key)
