"""A new secret: shown once, or saved, and never lost on the way.

The curl line that goes with it holds no secret, for a shell keeps its history and a machine shows
its command lines: curl asks for it, or finds it in the .netrc file.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from admin.cli.failures import Failure
from admin.cli.output import Column, Output

save_key_option = click.option(
    "--save-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the key to this new file, mode 0600, as JSON, in place of showing its secret.",
)

TEXT = """
  Access key (user name):  {access_key}
  Secret key (password):   {secret_key}

Save them now: this is the only time the secret key is shown. A line for ~/.netrc:

  machine {host} login {access_key} password {secret_key}

With it there, or by typing the secret key when curl asks:

  curl -n {url}
  curl -u {access_key} {url}
"""


def make_key(
    output: Output,
    columns: tuple[Column, ...],
    save_key: Path | None,
    make: Callable[[], dict[str, Any]],
    key_of: Callable[[dict[str, Any]], dict[str, Any]] = lambda resource: resource,
) -> None:
    """Have `make` make a key, and show or save what it answers; `key_of` finds the key in that.

    Raises `Failure`, `click.UsageError`.
    """
    if output.quiet and save_key is None:
        raise click.UsageError("--quiet would lose the secret key: add --save-key FILE")
    if save_key is None:
        resource = make()
        output.one(columns, resource)
        if output.form == "table":
            click.echo(_text(key_of(resource)), nl=False)
        return
    with new_file(save_key) as file:
        resource = make()
        key = key_of(resource)
        try:
            with os.fdopen(file, "w", closefd=False) as stream:
                stream.write(json.dumps(key, indent=2) + "\n")
            os.fsync(file)
        except OSError as error:
            raise Failure(
                f"cannot write {save_key}: {error.strerror}; the secret key of {key['id']} is "
                "lost: rotate or remove that key"
            ) from None
    key["secretValue"] = None
    output.one(columns, resource)


def _text(key: dict[str, Any]) -> str:
    endpoint = str(key["endpoint"])
    return TEXT.format(
        access_key=shlex.quote(str(key["publicValue"])),
        secret_key=key["secretValue"],
        host=urlsplit(endpoint).hostname,
        url=shlex.quote(endpoint + "/"),
    )


@contextmanager
def new_file(path: Path) -> Iterator[int]:
    """A new file that only its owner reads, gone again where what follows fails.

    Raises `Failure`.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Failure(f"{path} exists already, and is not overwritten") from None
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None
    try:
        yield file
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(file)
