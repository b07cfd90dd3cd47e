"""The admin server over HTTP: one request after another, and what its answers mean.

The credentials go to the one origin that was named: no redirect is followed, no proxy of the
environment used, and of the URLs in answers only what stands behind the host is taken.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import aiohttp
import click
from yarl import URL

from admin.cli.credentials import Credentials
from admin.cli.failures import Failure, Unreachable, refusal_of
from admin.cli.place import Place
from admin.cli.texts import printable

Json: TypeAlias = dict[str, Any]

API: Final = "/v2-beta"
PAGE: Final = 1000
"""The most that a collection gives at once."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=60)


class Client:
    """An admin server, at `place`, and the credentials presented to it. Close it after use."""

    def __init__(self, place: Place, credentials: Credentials, ca_file: str | None = None) -> None:
        self._place = place
        self._credentials = credentials
        self._tls = _trust(ca_file) if place.tls else None
        self._runner = asyncio.Runner()
        self._session: aiohttp.ClientSession | None = None

    def close(self) -> None:
        """End its connections."""
        if self._session is not None:
            self._runner.run(self._session.close())
        self._runner.close()

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
        holding: str = "id",
    ) -> Json:
        """Send a request to `path` beneath the API's version; `holding` names a text that the
        answer has. Raises `Failure`."""
        answer = self._ask(method, _target(path, query), body)
        if not isinstance(answer.get(holding), str):
            raise self._foreign("a resource of another kind")
        return answer

    def pages(self, path: str, query: Mapping[str, str], limit: int | None) -> Iterator[Json]:
        """The resources of a collection, through all of its pages, at most `limit`.

        Raises `Failure`.
        """
        size = PAGE if limit is None else min(limit, PAGE)
        target: str | None = _target(path, {**query, "limit": str(size)})
        left = limit
        while target is not None and left != 0:
            rows, following = self._piece(self._ask("GET", target, None))
            yield from rows[:left]
            left = None if left is None else max(0, left - len(rows))
            if following == target:
                raise self._foreign("a list that never ends")
            target = following

    def _piece(self, answer: Json) -> tuple[list[Json], str | None]:
        """The rows of a piece of a collection, and the target of the next piece."""
        try:
            rows, following = answer["data"], answer["pagination"]["next"]
            if not all(isinstance(row["id"], str) for row in rows):
                raise ValueError("an id is a string")
            return rows, None if following is None else _behind_host(following)
        except (KeyError, TypeError, ValueError):
            raise self._foreign("a list of another kind") from None

    def _ask(self, method: str, target: str, body: Mapping[str, object] | None) -> Json:
        try:
            return self._runner.run(self._send(method, target, body))
        except aiohttp.ClientSSLError as error:
            raise self._unreachable(f"TLS failed: {_cause(error)}") from None
        except aiohttp.ServerDisconnectedError:
            raise self._unreachable("it closed the connection without an answer") from None
        except TimeoutError:
            raise self._unreachable("it does not answer in time") from None
        except (aiohttp.ClientConnectionError, ConnectionError) as error:
            raise self._unreachable(_cause(error)) from None
        except (aiohttp.ClientError, ValueError, RecursionError):
            raise self._foreign("an answer that is no HTTP with JSON in it") from None

    async def _send(self, method: str, target: str, body: Mapping[str, object] | None) -> Json:
        if self._session is None:
            self._session = self._connected()
        async with self._session.request(
            method,
            URL(self._place.origin + target, encoded=True),
            data=None if body is None else json.dumps(body).encode(),
            allow_redirects=False,
        ) as response:
            text = await response.read()
            if 300 <= response.status < 400:
                raise self._foreign(f"a redirect ({response.status})")
            if response.content_type not in {"application/json", "application/problem+json"}:
                kind = printable(response.content_type)
                raise self._foreign(f"status {response.status} and {kind}")
            answer = json.loads(text)
            if not isinstance(answer, dict) or not isinstance(answer.get("type"), str):
                raise self._foreign(f"status {response.status} and JSON of another kind")
            if response.status >= 400:
                raise refusal_of(response.status, answer)
            return answer

    def _connected(self) -> aiohttp.ClientSession:
        connector = (
            aiohttp.UnixConnector(self._place.socket)
            if self._place.socket is not None
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

    def _unreachable(self, cause: str) -> Failure:
        return Unreachable(f"cannot reach {self._place.shown}: {printable(cause)}")

    def _foreign(self, what: str) -> Failure:
        return Failure(f"{self._place.shown} is no Wardgate admin server: it answers with {what}")


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust in the system's authorities, or in those of a file. Raises `click.UsageError`."""
    if ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=Path(ca_file))
    except ssl.SSLError:
        raise click.UsageError(f"{ca_file} holds no certificates in PEM") from None
    except OSError as error:
        raise click.UsageError(f"cannot read {ca_file}: {error.strerror}") from None


def _target(path: str, query: Mapping[str, str] | None) -> str:
    """The target of a request to `path` beneath the API's version."""
    return API + path + (f"?{urlencode(query)}" if query else "")


def _behind_host(url: str) -> str:
    """What stands behind the host in a URL, as a target at the host that we know.

    Raises TypeError, ValueError.
    """
    parts = URL(url)
    return f"/{parts.raw_path.lstrip('/')}?{parts.raw_query_string}"


def _cause(error: Exception) -> str:
    """Why a connection failed, as the system says it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(getattr(error.certificate_error, "verify_message", error.certificate_error))
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ssl.SSLError):
        return str(cause.reason or cause).lower().replace("_", " ")
    number = getattr(cause, "errno", None) or 0
    if number > 0:  # a name that cannot be resolved has a negative one
        return os.strerror(number)
    return getattr(cause, "strerror", None) or str(cause)
