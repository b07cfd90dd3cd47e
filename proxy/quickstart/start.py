"""`wardgate quickstart`: sets up a gateway and an admin server on this machine, and runs them.

What the first start prints can be pasted into a shell; later starts keep the store and its keys.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from proxy.config.load import load
from proxy.config.source import ConfigError
from proxy.domain.model import WardgateError
from proxy.init_store import FirstKey, PresetKey, initialise
from proxy.node import run

SAMPLE_PORT: Final = 9000
"""The port of the sample API; any free port if this one is taken."""

CONFIG: Final = """\
# Written by `wardgate quickstart` at each start. config.example.yaml explains every setting.
listen: {listen}
upstream: {upstream}
store: {store}
admin:
  listen: {admin_listen}
"""

FIRST_START: Final = """
Your admin key. Save it now: this is the only time the secret key is shown.

  Access key (user name):  {access_key}
  Secret key (password):   {secret_key}

Paste this into a second terminal. It creates an environment and a key for it, and uses the key:

  ADMIN='{access_key}:{secret_key}'
  field() {{ {python} -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }}
  ENVIRONMENT=$(curl -s -u "$ADMIN" {admin_api}/v2-beta/projects \\
    -d '{{"name": "Demo", "slug": "demo"}}' | field id)
  NEW=$(curl -s -u "$ADMIN" {admin_api}/v2-beta/projects/$ENVIRONMENT/apikeys \\
    -d '{{"name": "my first key"}}')
  KEY=$(echo "$NEW" | field publicValue):$(echo "$NEW" | field secretValue)
  echo "$KEY"
  curl -u "$KEY" {gateway}/v1/projects/demo/{path}
"""

LATER_START: Final = """
The store in {var} is kept, with its keys. No secret key is shown again. If you lost that of the
admin, stop this and run: {program} init --config {config} --recover
"""


def quickstart(*, upstream: str | None, listen: str, admin_listen: str, var: Path) -> None:
    """Serve until stopped, in front of `upstream`, or of the sample API if that is None.

    Raises `WardgateError`.
    """
    path = var / "wardgate.yaml"
    sample = None if upstream else ("127.0.0.1", _sample_port())
    values = {
        "listen": listen,
        "upstream": upstream or "http://{}:{}".format(*sample or ()),
        "store": f"sqlite:///{var}/wardgate.db",
        "admin_listen": admin_listen,
    }
    text = CONFIG.format(**{name: json.dumps(value) for name, value in values.items()})
    try:
        var.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise WardgateError(f"cannot write {path}: {error.strerror}") from None
    try:
        config = load(path, {})
    except ConfigError as error:
        raise WardgateError("\n".join(map(str, error.problems))) from None
    with _sample_api(sample):
        first = initialise(config, preset=PresetKey(), if_needed=True)

        async def print_greeting() -> None:
            urls = {"gateway": f"http://{listen}", "admin_api": f"http://{admin_listen}"}
            print(_greeting(first, upstream, urls, var, path), flush=True)

        try:
            run(config, started=print_greeting)
        except WardgateError:
            if first is not None:  # it is in the store, and no later start shows it
                print(first.as_text(), flush=True)
            raise


def _greeting(
    first: FirstKey | None, upstream: str | None, urls: dict[str, str], var: Path, config: Path
) -> str:
    if first is None:
        program = shlex.quote(sys.argv[0])
        return LATER_START.format(var=var, program=program, config=shlex.quote(str(config)))
    return FIRST_START.format(
        access_key=first.access_key,
        secret_key=first.secret_key,
        python="python3",
        path="" if upstream else "hosts",
        **urls,
    )


def _sample_port() -> int:
    for port in (SAMPLE_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise WardgateError("no port is free for the sample API: name your own API with --upstream URL")


@contextmanager
def _sample_api(address: tuple[str, int] | None) -> Iterator[None]:
    """Run the sample API in a process of its own while the context lasts; with None, do nothing."""
    if address is None:
        yield
        return
    command = [
        sys.executable,
        "-m",
        "proxy.quickstart.sample_api",
        "--listen",
        "{}:{}".format(*address),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  (no part of it comes from outside)
    try:
        _await_sample(process, address)
        yield
    finally:
        process.terminate()
        process.wait()


def _await_sample(process: subprocess.Popen[bytes], address: tuple[str, int]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise WardgateError("the sample API did not start: name your own API with --upstream URL")
