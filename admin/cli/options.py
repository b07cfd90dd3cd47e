"""What every command takes and is given: where the admin server is, as whom, and how to show
results."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from admin.cli.credentials import ACCESS_KEY, SECRET_KEY, SECRET_KEY_FILE, credentials_for
from admin.cli.failures import Failure
from admin.cli.output import FORMATS, Output
from admin.cli.place import DEFAULT_URL, place_of
from proxy.domain.model import WardgateError

if TYPE_CHECKING:
    from admin.cli.client import Client, Json

URL = "WARDGATE_URL"


@dataclass(slots=True)
class AdminClient:
    """The admin server as a command works with it: reached when it is first asked, and not
    before."""

    url: str | None
    access_key: str | None
    secret_key_file: str | None
    ca_file: str | None
    insecure_http: bool
    _client: Client | None = field(default=None, init=False)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """One resource. Raises `Failure`, as the others do."""
        return self._connected().ask("GET", path, query=query)

    def create(self, path: str, body: Mapping[str, object]) -> Json:
        """A new resource."""
        return self._connected().ask("POST", path, body)

    def apply(
        self,
        path: str,
        action: str,
        body: Mapping[str, object] | None = None,
        holding: str = "id",
    ) -> Json:
        """Do `action` to the resource or collection at `path`; `holding` names a text of the
        answer."""
        return self._connected().ask("POST", f"{path}/", body or {}, {"action": action}, holding)

    def edit(self, path: str, body: Mapping[str, object]) -> Json:
        """Set fields."""
        return self._connected().ask("PUT", path, body)

    def remove(self, path: str) -> Json:
        """Remove a resource."""
        return self._connected().ask("DELETE", path)

    def all(
        self, path: str, query: Mapping[str, str] | None = None, limit: int | None = None
    ) -> Iterator[Json]:
        """The resources of a collection, at most `limit`."""
        return self._connected().pages(path, query or {}, limit)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> Client:
        if self._client is None:
            from admin.cli.client import Client

            place = place_of(
                self.url or os.environ.get(URL) or DEFAULT_URL, insecure_http=self.insecure_http
            )
            credentials = credentials_for(
                place.host, self.access_key, self.secret_key_file, os.environ
            )
            self._client = Client(place, credentials, self.ca_file)
        return self._client


def api_command(
    group: click.Group, name: str, text: str | None = None
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command of `group`: it is given an `Office` and an `Output` first.

    `text` is its help, where that is not its docstring.
    """

    def decorate(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def run(form: str, quiet: bool, **values: Any) -> None:
            for stream in (sys.stdout, sys.stderr):  # a name that the locale lacks is no failure
                if hasattr(stream, "reconfigure"):
                    stream.reconfigure(errors="backslashreplace")
            client = AdminClient(**{field: values.pop(field) for field in _PLACE})
            try:
                function(client, Output(form, quiet), **values)
            except WardgateError as error:
                raise Failure(str(error)) from None
            finally:
                client.close()

        command: Any = run
        own = command.__dict__.pop("__click_params__", [])  # to stand before the shared ones
        for option in reversed(_OPTIONS):
            command = option(command)
        command.__click_params__ += own
        return group.command(name, help=text)(command)

    return decorate


_PLACE = ("url", "access_key", "secret_key_file", "ca_file", "insecure_http")
_OPTIONS = (
    click.option(
        "--output", "-o", "form", type=click.Choice(FORMATS), default="table", show_default=True
    ),
    click.option("--quiet", "-q", is_flag=True, help="Print ids only."),
    click.option("--url", help=f"The admin server. [{URL}; default: {DEFAULT_URL}]"),
    click.option("--access-key", help=f"Whom to act as. [{ACCESS_KEY}; default: as in .netrc]"),
    click.option(
        "--secret-key-file",
        metavar="FILE",
        help=f"Read its secret there; -: standard input. [{SECRET_KEY_FILE} or {SECRET_KEY}]",
    ),
    click.option("--ca-file", metavar="FILE", help="Trust these authorities (PEM) for https://."),
    click.option(
        "--insecure-http", is_flag=True, help="Send the secret unencrypted to another machine."
    ),
)


def confirm(question: str, yes: bool) -> None:
    """Ask before what cannot be taken back, unless `--yes` was said. Raises `click.Abort`."""
    if not yes:
        demand_terminal()
        click.confirm(question, abort=True, err=True)


def demand_terminal() -> None:
    """Raises `click.UsageError` where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: add --yes to go ahead")


yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
limit_option = click.option(
    "--limit", type=click.IntRange(min=1), help="Show no more than this many."
)


def sort_options(*fields: str) -> Callable[[Any], Any]:
    """`--sort` by one of `fields`, and `--desc`."""

    def decorate(function: Any) -> Any:
        function = click.option("--desc", is_flag=True, help="In descending order.")(function)
        return click.option("--sort", type=click.Choice(fields), help="Order by.")(function)

    return decorate


def sorting(sort: str | None, desc: bool) -> dict[str, str]:
    """The query for an order."""
    query = {} if sort is None else {"sort": sort}
    return query | ({"order": "desc"} if desc else {})


def given(**values: object) -> dict[str, Any]:
    """Those of `values` that are not None."""
    return {name: value for name, value in values.items() if value is not None}
