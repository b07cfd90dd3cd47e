"""The credentials of a command: where the access key and the secret key come from.

The command line goes before environment variables, and these before the .netrc file. No option
takes a secret itself, because everybody on a machine can see its command lines.
"""

from __future__ import annotations

import base64
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from admin.cli.errors import warn
from admin.cli.netrc import find_login

ACCESS_KEY = "WARDGATE_ACCESS_KEY"
SECRET_KEY = "WARDGATE_SECRET_KEY"  # noqa: S105  (the name of a variable)
SECRET_KEY_FILE = "WARDGATE_SECRET_KEY_FILE"  # noqa: S105  (the name of a variable)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key and its secret."""

    access_key: str
    secret: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """The value of the Authorization field (RFC 7617 section 2)."""
        pair = f"{self.access_key}:{self.secret}".encode("utf-8", "surrogateescape")
        return "Basic " + base64.b64encode(pair).decode()


def find_credentials(
    host: str, access_key: str | None, secret_key_file: str | None, environ: Mapping[str, str]
) -> Credentials:
    """The credentials for the admin server on `host`. Raises `click.UsageError`."""
    access_key = access_key or environ.get(ACCESS_KEY) or None
    secret = _find_secret(secret_key_file, environ)
    if secret is not None and access_key is None:
        raise click.UsageError(
            f"there is a secret key but no access key: add --access-key, or set {ACCESS_KEY}"
        )
    if access_key is not None and ":" in access_key:
        raise click.UsageError("an access key cannot hold a colon (RFC 7617): check --access-key")
    if access_key is not None and secret is not None:
        return Credentials(access_key, secret)
    return _from_netrc(host, access_key, environ)


def _find_secret(secret_key_file: str | None, environ: Mapping[str, str]) -> str | None:
    if secret_key_file is not None:
        return _read(secret_key_file)
    value, file = environ.get(SECRET_KEY), environ.get(SECRET_KEY_FILE)
    if value and file:
        raise click.UsageError(f"{SECRET_KEY} and {SECRET_KEY_FILE} are both set: unset one")
    return _read(file) if file else value or None


def _read(name: str) -> str:
    """The secret in the file `name`, or on standard input. Raises `click.UsageError`."""
    if name == "-" and sys.stdin.isatty():
        prompted: str = click.prompt("Secret key", hide_input=True, err=True)
        return prompted
    source = "standard input" if name == "-" else name
    try:
        if name == "-":
            text = sys.stdin.buffer.read()
        else:
            text = Path(name).read_bytes()
            _warn_if_readable_by_others(Path(name))
    except OSError as error:
        raise click.UsageError(f"cannot read {name}: {error.strerror}") from None
    lines = text.splitlines()
    if len(lines) != 1 or not lines[0]:
        raise click.UsageError(f"{source} should hold the secret key as its only line")
    return lines[0].decode("utf-8", "surrogateescape")


def _from_netrc(host: str, access_key: str | None, environ: Mapping[str, str]) -> Credentials:
    path = Path(environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        found = find_login(path.read_text("utf-8", "surrogateescape"), host, access_key)
    except FileNotFoundError:
        found = None
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from None
    if found is None:
        wanted = f"secret key of {access_key}" if access_key else "credentials"
        raise click.UsageError(
            f"no {wanted} for {host}: add a line to {path}, use --access-key with "
            f"--secret-key-file, or set {ACCESS_KEY} with {SECRET_KEY} or {SECRET_KEY_FILE}"
        )
    _warn_if_readable_by_others(path)
    return Credentials(*found)


def _warn_if_readable_by_others(path: Path) -> None:
    status = os.stat(path)
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        warn(f"others can read {path}, which holds a secret key: run `chmod 600 {path}`")
