"""A new secret key: printed once or saved to a file, and never lost.

The curl lines that are printed with it do not hold the secret, because shells keep a history and
everybody on a machine can see its command lines: curl asks for it, or finds it in the .netrc file.
There it takes the first line of a host, so the URL names the access key. Tested in
`tests/admin/cli/test_keys.py`.
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

from admin.cli.errors import CommandError
from admin.cli.output import Column, Output
from admin.cli.private_file import new_file
from proxy.domain.errors import WardgateError

save_key_option = click.option(
    "--save-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the key as JSON to this new file of mode 0600, and do not show the secret.",
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


def create_key(
    output: Output,
    columns: tuple[Column, ...],
    save_key: Path | None,
    create: Callable[[], dict[str, Any]],
    key_of: Callable[[dict[str, Any]], Any] = lambda resource: resource,
) -> None:
    """Call `create`, and print or save the key that it returns; `key_of` finds it in the resource.

    Raises `WardgateError`, `click.ClickException`.
    """
    if output.quiet and save_key is None:
        raise click.UsageError("--quiet does not show the secret key: add --save-key FILE")
    with new_file(save_key) as file:
        resource = create()
        key = key_of(resource)
        _require_secret(key)
        if file is not None:
            _save(key, file, save_key)
            key["secretValue"] = None
    output.show(columns, resource)
    if output.format == "table" and file is None:
        click.echo(_text(key), nl=False)


def _require_secret(key: object) -> None:
    """Raises `CommandError` if the answer has no new secret."""
    for name in ("id", "publicValue", "secretValue", "endpoint"):
        if not isinstance(key, dict) or not isinstance(key.get(name), str):
            raise CommandError(
                f"this is not a Wardgate admin server, it answered with a key that has no {name}: "
                "check --url"
            )


def _save(key: dict[str, Any], file: int, path: Path | None) -> None:
    try:
        with os.fdopen(file, "w", closefd=False) as stream:
            stream.write(json.dumps(key, indent=2) + "\n")
        os.fsync(file)
    except OSError as error:
        raise WardgateError(
            f"cannot write {path}: {error.strerror}; the secret key of {key['id']} is lost: "
            f"run `wardgate keys rotate {key['id']}` for a new one"
        ) from None


def _text(key: dict[str, Any]) -> str:
    access_key, endpoint = str(key["publicValue"]), str(key["endpoint"])
    host = urlsplit(endpoint).hostname
    scheme, _, rest = endpoint.partition("://")
    # There is no host if the gateway listens on a Unix socket.
    return (PAIR + (LINES if host else "")).format(
        access_key=shlex.quote(access_key),
        secret_key=key["secretValue"],
        host=host,
        url=shlex.quote(endpoint + "/"),
        named_url=shlex.quote(f"{scheme}://{quote(access_key, safe='')}@{rest}/"),
    )
