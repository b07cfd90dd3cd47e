"""The settings of nodes that share a store: how it is reached, and how each follows the others.

Tested in `tests/proxy/config/test_cluster.py`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypedDict

from pydantic import AfterValidator, Field

from proxy.config.settings import Fault, Settings, require_private, secret_line_of
from proxy.domain.errors import WardgateError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}").fullmatch
BEATS: Final = 4
"""Beats in a lease at least: one that is lost must not end it."""


class Access(TypedDict):
    """What a store needs besides its URL."""

    password: Callable[[], str] | None
    """Returns what is in the file now. Raises `OSError`."""
    ca_file: str | None


class Postgres(Settings):
    """How a PostgreSQL store is reached. The password is read for each connection: no process has
    it in memory that opens none, and one that was changed needs no restart."""

    password_file: Path | None = None
    ca_file: Path | None = None

    @property
    def access(self) -> Access:
        """What opening the store needs besides its URL. Raises `WardgateError`."""
        password = None if self.password_file is None else partial(_password, self.password_file)
        try:
            if password is not None:
                password()
        except OSError as error:
            raise WardgateError(str(error)) from None
        return {
            "password": password,
            "ca_file": None if self.ca_file is None else str(self.ca_file),
        }

    def rules(self) -> Iterator[Fault]:
        for name, path in (("password_file", self.password_file), ("ca_file", self.ca_file)):
            if path is None:
                continue
            try:
                path.open("rb").close()
                if name == "password_file":
                    require_private(path)
            except OSError as error:
                yield name, f"cannot read this file: {error.strerror}"
            except ValueError as error:
                yield name, str(error)


def _password(file: Path) -> str:
    try:
        return secret_line_of(file).get_secret_value()
    except ValueError as error:
        raise OSError(f"postgres.password_file: {error}") from None


def _node_name(name: str) -> str:
    if not _NAME(name):
        raise ValueError("should hold up to 63 letters, digits, _, . and -, the first no sign")
    return name


class Cluster(Settings):
    """One of several nodes over one PostgreSQL store."""

    name: Annotated[str, AfterValidator(_node_name)] | None = None
    lease: Annotated[float, Field(strict=True, ge=5, le=3600, allow_inf_nan=False)] = 30
    """Both how long keys work without the store and how long a revocation may take where a node
    cannot be reached. Kubernetes' nodes: 40 (node-monitor-grace-period)."""
    beat: Annotated[float, Field(strict=True, ge=0.1, le=900, allow_inf_nan=False)] = 3
    run_directory: Annotated[str, Field(min_length=1)] = "var"

    @property
    def node_name(self) -> str:
        """Unique among the nodes: `name`, or that of the host."""
        return self.name or socket.gethostname()

    def rules(self) -> Iterator[Fault]:
        if self.beat * BEATS > self.lease:
            yield "beat", "should be at most a quarter of lease, so that one may be lost"
