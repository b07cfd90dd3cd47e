"""A new secret: shown once, or saved, and never lost on the way.

The curl line that goes with it holds no secret, for a shell keeps its history and a machine shows
its command lines: curl asks for it, or finds it in the .netrc file. There it takes the first line
for a host, of whatever key, unless the URL names one.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import click

from admin.cli.failures import Failure
from admin.cli.output import Column, Output
from admin.cli.private_file import new_file
from proxy.domain.model import WardgateError

save_key_option = click.option(
    "--save-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the key to this new file, mode 0600, as JSON, in place of showing its secret.",
)

PAIR = """
  Access key (user name):  {access_key}
  Secret key (password):   {secret_key}

Save them now: this is the only time the secret key is shown.
"""

LINES = """
A line for ~/.netrc:

  machine {host} login {access_key} password {secret_key}

With it there, or by typing the secret key when curl asks:

  curl -n {named_url}
  curl -u {access_key} {url}
"""


def make_key(
    output: Output,
    columns: tuple[Column, ...],
    save_key: Path | None,
    make: Callable[[], dict[str, Any]],
    key_of: Callable[[dict[str, Any]], Any] = lambda resource: resource,
) -> None:
    """Have `make` make a key, and show or save what it answers; `key_of` finds the key in that.

    Raises `WardgateError`, `click.ClickException`.
    """
    if output.quiet and save_key is None:
        raise click.UsageError("--quiet would lose the secret key: add --save-key FILE")
    with new_file(save_key) as file:
        resource = make()
        key = key_of(resource)
        _demand_secret(key)
        if file is not None:
            _save(key, file, save_key)
            key["secretValue"] = None
    output.one(columns, resource)
    if output.form == "table" and file is None:
        click.echo(_text(key), nl=False)


def _demand_secret(key: object) -> None:
    """Let pass what tells a new secret. Raises `Failure`."""
    for name in ("id", "publicValue", "secretValue", "endpoint"):
        if not isinstance(key, dict) or not isinstance(key.get(name), str):
            raise Failure(
                f"this is no Wardgate admin server: it answers with a key that has no {name}"
            )


def _save(key: dict[str, Any], file: int, path: Path | None) -> None:
    try:
        with os.fdopen(file, "w", closefd=False) as stream:
            stream.write(json.dumps(key, indent=2) + "\n")
        os.fsync(file)
    except OSError as error:
        raise WardgateError(
            f"cannot write {path}: {error.strerror}; the secret key of {key['id']} is lost: "
            "rotate or remove that key"
        ) from None


def _text(key: dict[str, Any]) -> str:
    access_key, endpoint = str(key["publicValue"]), str(key["endpoint"])
    host = urlsplit(endpoint).hostname
    scheme, _, rest = endpoint.partition("://")
    return (
        PAIR + (LINES if host else "")
    ).format(  # there is none where the gateway is a Unix socket
        access_key=shlex.quote(access_key),
        secret_key=key["secretValue"],
        host=host,
        url=shlex.quote(endpoint + "/"),
        named_url=shlex.quote(f"{scheme}://{quote(access_key, safe='')}@{rest}/"),
    )
