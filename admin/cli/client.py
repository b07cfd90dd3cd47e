"""The admin server over HTTP: sends requests, and turns error answers into exceptions.

The rule that lives here: the credentials go to the configured origin only. No redirect is followed,
no proxy from the environment is used, and of a URL in an answer only path and query are used.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import aiohttp
import click
from yarl import URL

from admin.cli.admin_client import Json
from admin.cli.credentials import Credentials
from admin.cli.errors import CommandError, Unreachable, error_from
from admin.cli.printable import printable
from admin.cli.server_url import ServerAddress

API: Final = "/v2-beta"
PAGE: Final = 1000
"""The largest page that the admin server returns."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=60)


class Client:
    """A connection to an admin server, with credentials. Close it after use."""

    def __init__(
        self, server: ServerAddress, credentials: Credentials, ca_file: str | None = None
    ) -> None:
        self._server = server
        self._credentials = credentials
        self._tls = _tls_context(ca_file) if server.tls else None
        self._runner = asyncio.Runner()
        self._session: aiohttp.ClientSession | None = None
        self.revision: str | None = None
        """Of the change that was made last, as its answer says."""

    @property
    def access_key(self) -> str:
        """The access key that it presents."""
        return self._credentials.access_key

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._runner.run(self._session.close())
        self._runner.close()

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
        required: str = "id",
    ) -> Json:
        """Send a request to `path` below `API`, and return the resource in the answer.

        The answer must have the text field `required`. Raises `CommandError`.
        """
        answer = self._exchange(method, _target(path, query), body)
        if not isinstance(answer.get(required), str):
            raise self._not_wardgate("a resource of another kind")
        return answer

    def pages(self, path: str, query: Mapping[str, str], limit: int | None) -> Iterator[Json]:
        """The resources of a collection, from all of its pages, at most `limit`.

        Raises `CommandError`.
        """
        size = PAGE if limit is None else min(limit, PAGE)
        target: str | None = _target(path, {**query, "limit": str(size)})
        left = limit
        while target is not None and left != 0:
            rows, next_target = self._page(self._exchange("GET", target, None))
            yield from rows[:left]
            left = None if left is None else max(0, left - len(rows))
            if next_target == target:
                raise self._not_wardgate("a list that never ends")
            target = next_target

    def _page(self, answer: Json) -> tuple[list[Json], str | None]:
        """The resources on a page of a collection, and the target of the next page."""
        try:
            rows, next_url = answer["data"], answer["pagination"]["next"]
            if not all(isinstance(row["id"], str) for row in rows):
                raise ValueError("an id is a string")
            return rows, None if next_url is None else _path_and_query(next_url)
        except (KeyError, TypeError, ValueError):
            raise self._not_wardgate("a list of another kind") from None

    def _exchange(self, method: str, target: str, body: Mapping[str, object] | None) -> Json:
        try:
            return self._runner.run(self._send(method, target, body))
        except aiohttp.ClientSSLError as error:
            raise self._unreachable(
                f"TLS failed: {_cause(error)}",
                "check that --url names the host as in its certificate, and add --ca-file if a "
                "private authority issued it",
            ) from None
        except aiohttp.ServerDisconnectedError:
            raise self._unreachable("it closed the connection without an answer") from None
        except TimeoutError:
            raise self._unreachable("it did not answer in time") from None
        except (aiohttp.ClientConnectionError, ConnectionError) as error:
            raise self._unreachable(_cause(error)) from None
        except (aiohttp.ClientError, ValueError, RecursionError):
            raise self._not_wardgate("something else than JSON over HTTP") from None

    async def _send(self, method: str, target: str, body: Mapping[str, object] | None) -> Json:
        if self._session is None:
            self._session = self._new_session()
        async with self._session.request(
            method,
            URL(self._server.origin + target, encoded=True),
            data=None if body is None else json.dumps(body).encode(),
            allow_redirects=False,
        ) as response:
            text = await response.read()
            if 300 <= response.status < 400:
                raise self._not_wardgate(f"a redirect ({response.status})")
            if response.content_type not in {"application/json", "application/problem+json"}:
                kind = printable(response.content_type)
                raise self._not_wardgate(f"status {response.status} and {kind}")
            answer = json.loads(text)
            if not isinstance(answer, dict) or not isinstance(answer.get("type"), str):
                raise self._not_wardgate(f"status {response.status} and JSON of another kind")
            if response.status >= 400:
                raise error_from(response.status, answer, self._server.shown, self.access_key)
            self.revision = response.headers.get("Wardgate-Revision", self.revision)
            return answer

    def _new_session(self) -> aiohttp.ClientSession:
        connector = (
            aiohttp.UnixConnector(self._server.socket)
            if self._server.socket is not None
            else aiohttp.TCPConnector(ssl=self._tls or True)
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=TIMEOUT,
            headers={
                "Authorization": self._credentials.authorization,
                "Accept": "application/json",
                "User-Agent": f"wardgate/{version('wardgate')}",
            },
            skip_auto_headers=("Content-Type",),
        )

    def _unreachable(self, cause: str, hint: str = "") -> CommandError:
        hint = hint or "check --url, and that `wardgate serve` is running there"
        return Unreachable(f"cannot reach {self._server.shown}: {printable(cause)}; {hint}")

    def _not_wardgate(self, answer: str) -> CommandError:
        return CommandError(
            f"{self._server.shown} is not a Wardgate admin server, it answered with {answer}: "
            "check --url"
        )


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Verifies by the system's authorities, or by those in a file. Raises `click.UsageError`."""
    if ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=Path(ca_file))
    except ssl.SSLError:
        raise click.UsageError(
            f"{ca_file} holds no certificates: it should be a PEM file"
        ) from None
    except OSError as error:
        raise click.UsageError(f"cannot read {ca_file}: {error.strerror}") from None


def _target(path: str, query: Mapping[str, str] | None) -> str:
    """The target of a request to `path` below `API`."""
    return API + path + (f"?{urlencode(query)}" if query else "")


def _path_and_query(url: str) -> str:
    """The path and query of a URL, as a target at the configured origin.

    Raises TypeError, ValueError.
    """
    parts = URL(url)
    return f"/{parts.raw_path.lstrip('/')}?{parts.raw_query_string}"


def _cause(error: Exception) -> str:
    """Why a connection failed, in the words of the system."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(getattr(error.certificate_error, "verify_message", error.certificate_error))
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ssl.SSLError):
        return str(cause.reason or cause).lower().replace("_", " ")
    number = getattr(cause, "errno", None) or 0
    if number > 0:  # errors of name resolution have a negative number
        return os.strerror(number)
    return getattr(cause, "strerror", None) or str(cause)
