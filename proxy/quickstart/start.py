"""`wardgate quickstart`: sets up a gateway and an admin server on this machine, and runs them.

The rules that live here: nothing is written before all that is needed is known to be free, and what
is printed can be pasted into a shell, as often as one likes. Later starts keep the store and its
keys.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

from proxy.config.load import validate
from proxy.config.model import Config
from proxy.config.source import ConfigError, Document, SettingPath
from proxy.config.values import Listen
from proxy.domain.errors import WardgateError
from proxy.init_store import FirstKey, PresetKey, initialise
from proxy.preflight import obstacles
from proxy.quickstart.sample_api import create_app
from proxy.serve import run
from proxy.store.open import store_holder

ACCESS_KEY_FILE: Final = "admin-access-key"
"""In the folder: the access key of the admin, which is no secret."""
PLACES_FILE: Final = "quickstart.json"
"""In the folder: where everything is since the last start."""
SAMPLE_PORT: Final = 9000
"""The port of the sample API; any free port if this one is taken."""

CONFIG: Final = """\
# Written by `wardgate quickstart` at each start. config.example.yaml explains every setting.
listen: {listen}
upstream: {upstream}
store: {store}
admin:
  listen: {admin_listen}
access_log: {access_log}
"""

RUNNING: Final = """
Wardgate is running in front of {upstream}.

  Gateway:       {gateway}
  Admin server:  {admin_server}   (in a browser, log in with the admin key)
  Access log:    {access_log}
"""

FIRST_KEY: Final = """
Your admin key. Save it now: this is the only time the secret key is shown.

  Access key (user name):  {access_key}
  Secret key (password):   {secret_key}

Paste this into a second terminal:
"""

PICK: Final = (
    'print((body.get("data") or [body])[0].get(sys.argv[1]) or sys.exit(f"failed: {body}"))'
)
"""Prints a member of a resource, or of the first one of a list; else the error that came."""

LINES: Final = """
  ADMIN_KEY='{access_key}:{secret_key}'
  ADMIN_API={admin_server}/v2-beta
  field() {{ {python} -c 'import json, sys; body = json.load(sys.stdin); {pick}' "$1"; }}
  curl -s -o /dev/null -u "$ADMIN_KEY" $ADMIN_API/projects -d '{{"name": "Demo", "slug": "demo"}}'
  ENVIRONMENT=$(curl -s -u "$ADMIN_KEY" "$ADMIN_API/projects?slug=demo" | field id)
  NEW=$(curl -s -u "$ADMIN_KEY" $ADMIN_API/projects/$ENVIRONMENT/apikeys -d '{{"name": "my key"}}')
  KEY=$(echo "$NEW" | field publicValue):$(echo "$NEW" | field secretValue)
  echo "$KEY"
  curl -u "$KEY" {gateway}/v1/projects/demo/{path}

They create an environment unless it exists, create a key for it, print the key and use it.
"""

LATER_START: Final = """
The store in {var} is kept, with its keys. No secret key is shown again.

Lines to paste:      {program} quickstart --show --var {var}
A new admin key:     {program} init --config {config} --recover   (stop this first)
"""

ELSEWHERE: Final = "; choose another address: make run LISTEN=host:port ADMIN=host:port"

UNKNOWN: Final = "ACCESS_KEY", "SECRET_KEY"
"""What the lines have in place of an admin key that is not known."""


def quickstart(*, upstream: str | None, listen: str, admin_listen: str, var: Path) -> None:
    """Serve until stopped, in front of `upstream`, or of the sample API if that is None.

    Raises `WardgateError`.
    """
    sample = None if upstream else _sample_listener(listen, admin_listen)
    values = {
        "listen": listen,
        "upstream": upstream or "http://{}:{}".format(*sample.getsockname() if sample else ()),
        "store": f"sqlite:///{var}/wardgate.db",
        "admin_listen": admin_listen,
        "access_log": f"{var}/access.log",
    }
    config = _checked(values)
    path = var / "wardgate.yaml"
    _write(path, CONFIG.format(**{name: json.dumps(value) for name, value in values.items()}))
    if sample is not None:
        serve = partial(_serve_sample, sample)
        threading.Thread(target=serve, name="sample-api", daemon=True).start()
    first = initialise(config, preset=PresetKey(), if_needed=True)
    if first is not None:
        _write(var / ACCESS_KEY_FILE, f"{first.access_key}\n")

    async def print_greeting() -> None:
        places = _places(config, values["upstream"], sample is not None)
        _write(var / PLACES_FILE, json.dumps(places, indent=2))
        print(RUNNING.format(**places), end="")
        if first is None:
            program = shlex.quote(sys.argv[0])
            names = {
                name: shlex.quote(str(each)) for name, each in (("var", var), ("config", path))
            }
            print(LATER_START.format(program=program, **names), end="", flush=True)
        else:
            print(_first_key(first, places), end="", flush=True)

    try:
        run(config, started=print_greeting)
    except WardgateError:
        if first is not None:  # it is in the store, and no later start shows it
            print(first.as_text(), flush=True)
        raise


def lines_again(var: Path) -> str:
    """The lines to paste, as the last start in `var` printed them, without the secret key.

    Raises `WardgateError` if there was no start.
    """
    try:
        places = json.loads((var / PLACES_FILE).read_text())
    except OSError as error:
        raise WardgateError(
            f"cannot read {var / PLACES_FILE}: {error.strerror}; "
            "it is written when `wardgate quickstart` (`make run`) starts"
        ) from None
    access_key, secret_key = UNKNOWN
    with suppress(OSError):
        access_key = (var / ACCESS_KEY_FILE).read_text().strip()
    lines = _lines(places, access_key, secret_key)
    return f"\nIn the first line, write the secret key of your admin key:\n{lines}"


# --- what is printed -----------------------------------------------------------------------------


def _places(config: Config, upstream: str, is_sample: bool) -> dict[str, str]:
    """Where everything is, by the names that the texts use."""
    assert config.admin is not None
    return {
        "upstream": f"a sample API on {upstream}" if is_sample else upstream,
        "gateway": f"http://{config.listen[0]}",
        "admin_server": f"http://{config.admin.listen[0]}",
        "access_log": config.access_log,
        "path": "hosts" if is_sample else "",
    }


def _first_key(first: FirstKey, places: dict[str, str]) -> str:
    keys = {"access_key": first.access_key, "secret_key": first.secret_key}
    return FIRST_KEY.format(**keys) + _lines(places, **keys)


def _lines(places: dict[str, str], access_key: str, secret_key: str) -> str:
    return LINES.format(
        access_key=access_key,
        secret_key=secret_key,
        python=shlex.quote(sys.executable),
        pick=PICK,
        **places,
    )


# --- what is needed ------------------------------------------------------------------------------


def _checked(values: dict[str, str]) -> Config:
    """The configuration, which can be served on this machine. Raises `WardgateError`."""
    data = {name: values[name] for name in ("listen", "upstream", "store", "access_log")}
    document = Document("quickstart", {**data, "admin": {"listen": values["admin_listen"]}})
    try:
        config = validate(document, _obstacles)
    except ConfigError as error:
        raise WardgateError("\n".join(map(str, error.problems))) from None
    holder = store_holder(config.store)
    if holder is not None:
        raise holder
    return config


def _obstacles(config: Config) -> Iterator[tuple[SettingPath, str]]:
    """What `serve` would fail of, and addresses that nobody could paste."""
    assert config.admin is not None
    places: dict[SettingPath, Listen] = {
        ("listen",): config.listen[0],
        ("admin", "listen"): config.admin.listen[0],
    }
    for place, listen in places.items():
        if not listen.port:
            yield place, "should be host:port, with a port other than 0"
    for place, message in obstacles(config):
        if place == ("access_log",):
            continue  # it is in the folder of the store
        yield place, message + ELSEWHERE if "listen" in place else message


def _write(path: Path, text: str) -> None:
    """Write a file of mode 0600 in a folder of mode 0700. Raises `WardgateError`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
    except OSError as error:
        raise WardgateError(f"cannot write {path}: {error.strerror}") from None


def _sample_listener(*taken: str) -> socket.socket:
    """A socket for the sample API, on no port of the addresses `taken`. Raises `WardgateError`."""
    own = any(address.endswith(f":{SAMPLE_PORT}") for address in taken)
    for port in (0,) if own else (SAMPLE_PORT, 0):
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise WardgateError("no port is free for the sample API: name your own API with --upstream URL")


def _serve_sample(listener: socket.socket) -> None:
    """Serve the sample API in this thread, which ends with the process, however that ends."""
    web.run_app(
        create_app(),
        sock=listener,
        print=None,
        access_log=None,
        handle_signals=False,
        loop=asyncio.new_event_loop(),
    )
