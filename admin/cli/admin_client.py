"""The admin server as commands use it: a connection is made for the first request, not before.

So `--help`, usage errors and `audit verify --file` need neither a server nor credentials. Tested
by the commands that use it, and with servers of all kinds in `tests/admin/cli/test_client.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from admin.cli.credentials import find_credentials
from admin.cli.server_url import DEFAULT_URL, parse_server_url

if TYPE_CHECKING:
    from admin.cli.client import Client

Json: TypeAlias = dict[str, Any]

URL: Final = "WARDGATE_URL"
"""The environment variable with the admin server's URL."""


@dataclass(slots=True)
class AdminClient:
    """An admin server and the credentials for it, as the options of a command say.

    Every method raises `click.ClickException`.
    """

    url: str | None
    access_key: str | None
    secret_key_file: str | None
    ca_file: str | None
    insecure_http: bool
    _client: Client | None = field(default=None, init=False)

    @property
    def presented(self) -> str:
        """The access key of the key that requests present."""
        return self._connected().access_key

    @property
    def revision(self) -> str | None:
        """The revision of the change that was made last, as its answer says."""
        return self._connected().revision

    def get(self, path: str, query: Mapping[str, str] | None = None, required: str = "id") -> Json:
        """Get a resource; the answer must have the text field `required`."""
        return self._connected().request("GET", path, query=query, required=required)

    def create(self, path: str, body: Mapping[str, object]) -> Json:
        """Create a resource in the collection at `path`."""
        return self._connected().request("POST", path, body)

    def apply(
        self,
        path: str,
        action: str,
        body: Mapping[str, object] | None = None,
        required: str = "id",
    ) -> Json:
        """Apply `action` to the resource or collection at `path`; the answer must have the text
        field `required`."""
        return self._connected().request(
            "POST", f"{path}/", body or {}, {"action": action}, required
        )

    def edit(self, path: str, body: Mapping[str, object]) -> Json:
        """Set fields of a resource."""
        return self._connected().request("PUT", path, body)

    def remove(self, path: str) -> Json:
        """Remove a resource."""
        return self._connected().request("DELETE", path)

    def all(
        self, path: str, query: Mapping[str, str] | None = None, limit: int | None = None
    ) -> Iterator[Json]:
        """The resources of a collection, from all of its pages, at most `limit`."""
        return self._connected().pages(path, query or {}, limit)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> Client:
        if self._client is None:
            from admin.cli.client import Client

            server = parse_server_url(
                self.url or os.environ.get(URL) or DEFAULT_URL, insecure_http=self.insecure_http
            )
            credentials = find_credentials(
                server.host, self.access_key, self.secret_key_file, os.environ
            )
            self._client = Client(server, credentials, self.ca_file)
        return self._client
