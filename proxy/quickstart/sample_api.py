"""A small API to try the gateway with: hosts in environments, kept in memory. Not for production.

It needs no credentials and trusts the X-Wardgate-* fields, because only the gateway reaches it.
Every name of an environment works, and each environment has its own hosts."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

EVENT_SECONDS: Final = 1.0
"""Seconds between two events."""

HOSTS: Final = web.AppKey("hosts", dict[str, list[dict[str, Any]]])
"""Environment → its hosts."""
NUMBERS: Final[web.AppKey[Iterator[int]]] = web.AppKey("numbers", Iterator)


def create_app() -> web.Application:
    """Make the API, without any hosts."""
    app = web.Application()
    app[HOSTS], app[NUMBERS] = {}, itertools.count(1)
    environment = "/v1/projects/{environment}"
    app.add_routes(
        [
            web.get("/ping", ping),
            web.get("/v1/projects", list_environments),
            web.get(environment + "/hosts", list_hosts),
            web.post(environment + "/hosts", add_host),
            web.get(environment + "/hosts/{id}", get_host),
            web.delete(environment + "/hosts/{id}", remove_host),
            web.get(environment + "/events", send_events),
            web.route("*", environment + "/echo", echo),
        ]
    )
    return app


async def ping(_request: web.Request) -> web.Response:
    """Answer `pong`."""
    return web.Response(text="pong")


async def list_environments(request: web.Request) -> web.Response:
    """List the environments that ever had hosts, with the number of their hosts."""
    counts = [{"name": name, "hosts": len(hosts)} for name, hosts in request.app[HOSTS].items()]
    return web.json_response({"data": counts})


async def list_hosts(request: web.Request) -> web.Response:
    """List the hosts of the environment."""
    return web.json_response({"data": _hosts(request)})


async def add_host(request: web.Request) -> web.Response:
    """Add a host to the environment from `{"name": …}`; 422 for any other body."""
    try:
        name = (await request.json())["name"]
    except (ValueError, KeyError, TypeError):
        name = None
    if not isinstance(name, str) or not name:
        return web.json_response({"message": 'expected {"name": "…"}'}, status=422)
    numbers = request.app[NUMBERS]
    host = {
        "id": next(numbers),
        "name": name,
        "addedBy": request.headers.get("X-Wardgate-Key"),
    }
    request.app[HOSTS].setdefault(request.match_info["environment"], []).append(host)
    return web.json_response(host, status=201)


async def get_host(request: web.Request) -> web.Response:
    """Show one host of the environment."""
    return web.json_response(_host(request))


async def remove_host(request: web.Request) -> web.Response:
    """Remove one host of the environment."""
    _hosts(request).remove(_host(request))
    return web.Response(status=204)


async def send_events(request: web.Request) -> web.StreamResponse:
    """Send one server-sent event a second until the client disconnects."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    with suppress(ConnectionError):
        for number in itertools.count(1):
            event = json.dumps({"tick": number, "hosts": len(_hosts(request))})
            await response.write(f"event: tick\ndata: {event}\n\n".encode())
            await asyncio.sleep(EVENT_SECONDS)
    return response


async def echo(request: web.Request) -> web.Response:
    """Return the method and path of the request, and the identity that the gateway added."""
    identity = {
        name: value
        for name, value in request.headers.items()
        if name.lower().startswith("x-wardgate-")
    }
    body = {"method": request.method, "path": request.path_qs, "identity": identity}
    return web.json_response(body)


def _hosts(request: web.Request) -> list[dict[str, Any]]:
    return request.app[HOSTS].get(request.match_info["environment"], [])


def _host(request: web.Request) -> dict[str, Any]:
    for host in _hosts(request):
        if str(host["id"]) == request.match_info["id"]:
            return host
    raise web.HTTPNotFound(text="no such host in this environment")


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m proxy.quickstart.sample_api", description=__doc__
    )
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:9000")
    host, _, port = parser.parse_args().listen.rpartition(":")
    if not host or not port.isdecimal():
        parser.error("--listen expects HOST:PORT")
    web.run_app(
        create_app(), host=host.strip("[]"), port=int(port), access_log=None, shutdown_timeout=1
    )


if __name__ == "__main__":
    main()
