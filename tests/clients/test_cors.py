"""A page of another origin uses a key in a browser, and sees what the gateway refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.clients.origin import BASE
from tests.installation import Installation
from tests.patience import PATIENCE
from tests.programs import free_port, module, program, running

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
PAGE = """<!doctype html><title>page</title><script>
(async () => {
  const { url, pair, kinds } = %s;
  const basic = { Authorization: 'Basic ' + btoa(pair), 'Content-Type': 'application/json' };
  const requests = {
    used: [url + '/echo', { method: 'PUT', body: '{}', headers: basic }],
    bearer: [url + '/echo', { headers: { Authorization: 'Bearer ' + pair } }],
    field: [url + '/echo', { headers: { 'X-API-Key': pair } }],
    without: [url + '/echo', {}],
    wrong: [url + '/echo', { headers: { Authorization: 'Basic eDp5' } }],
    elsewhere: [url.replace('demo', 'other') + '/echo', { headers: basic }],
    large: [url + '/echo', { method: 'PUT', body: 'x'.repeat(2000), headers: basic }],
    method: [url + '/echo', { method: 'DELETE', headers: basic }],
    unlisted: [url + '/echo', { headers: { ...basic, 'X-Other': '1' } }],
  };
  const said = {};
  for (const kind of kinds) {
    try {
      const answer = await fetch(...requests[kind]);
      const id = answer.headers.get('X-Request-Id') !== null;
      said[kind] = [answer.status, id, await answer.json()];
    } catch (error) {
      said[kind] = String(error.name);
    }
  }
  await fetch('/said', { method: 'POST', body: JSON.stringify(said) });
})();
</script>"""
KINDS = ["used", "bearer", "field", "without", "wrong", "elsewhere", "large", "method", "unlisted"]


@asynccontextmanager
async def site(port: int, text: str) -> AsyncIterator[asyncio.Future[dict[str, Any]]]:
    """A server of a page at `/`, and what the page reports to it."""
    reported: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    async def said(request: web.Request) -> web.Response:
        reported.set_result(await request.json())
        return web.Response()

    application = web.Application()
    application.router.add_get("/", page)
    application.router.add_post("/said", said)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield reported
    finally:
        await runner.cleanup()


async def browse(folder: Path, port: int, text: str) -> dict[str, Any]:
    """What the page reports, once a browser has opened it."""
    chromium = program("chromium")
    async with site(port, text) as reported:
        profile = f"--user-data-dir={folder / str(port)}"
        output = (folder / "chromium").open("w")
        process = await asyncio.create_subprocess_exec(
            chromium, *OPTIONS, *QUIET, profile, "--remote-debugging-port=0",
            f"http://127.0.0.1:{port}/", stdout=output, stderr=output,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                return await reported
        finally:
            process.terminate()
            await process.wait()
            output.close()


@pytest.fixture
def ports() -> tuple[int, int, int]:
    """Those of the API, of a site that is allowed, and of one that is not."""
    return free_port(), free_port(), free_port()


async def test_a_page_of_an_allowed_origin_uses_a_key_and_sees_its_401(
    tmp_path: Path, ports: tuple[int, int, int]
) -> None:
    """In every way to present it; also the other refusals, but not what the route does not list.
    A page of another origin sees nothing."""
    api, good, bad = ports
    cors = {
        "origins": [f"http://127.0.0.1:{good}"],
        "methods": ["GET", "PUT"],
        "expose": ["X-Request-Id"],
    }
    here = Installation(
        tmp_path,
        api,
        routes=[{"path": "/v1/projects/{environment}/**", "cors": cors}],
        credentials=["basic", "bearer", {"header": "X-API-Key"}],
        limits={"body_size": 1000},
    )
    origin = module("tests.clients.origin", str(api), str(tmp_path))
    with running(origin, api, tmp_path), here.serving():
        _, key = here.new_key()
        given = {"url": f"http://127.0.0.1:{here.gateway}{BASE}", "pair": key.pair, "kinds": KINDS}
        said = await browse(tmp_path, good, PAGE % json.dumps(given))
        for kind in ("used", "bearer", "field"):
            status, id_, echo = said[kind]
            assert (status, id_, echo["environment"]) == (200, True, "demo")
        assert said["used"][2]["method"] == "PUT"
        for kind, expected in {
            "without": 401,
            "wrong": 401,
            "elsewhere": 403,
            "large": 413,
        }.items():
            status, id_, error = said[kind]
            assert (status, id_, error["status"]) == (expected, True, expected)
        assert said["method"] == said["unlisted"] == "TypeError"
        elsewhere = await browse(tmp_path, bad, PAGE % json.dumps(given))
        assert elsewhere == dict.fromkeys(KINDS, "TypeError")
    preflights = [line for line in here.log if line["method"] == "OPTIONS"]
    reasons = {line.get("reason") for line in preflights}
    assert reasons == {None, "preflight-origin", "preflight-method", "preflight-fields"}
    assert all(line.get("key") is None for line in preflights)


async def test_a_page_uses_a_key_where_preflights_are_up_to_the_upstream(
    tmp_path: Path, ports: tuple[int, int, int]
) -> None:
    """The upstream answers them, without a key, and the page reads its response."""
    api, good, _ = ports
    allowed = {
        "Access-Control-Allow-Origin": f"http://127.0.0.1:{good}",
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Allow-Methods": "PUT",
    }
    asked: list[tuple[str, bool]] = []

    async def respond(request: web.Request) -> web.Response:
        asked.append((request.method, "X-Wardgate-Key" in request.headers))
        return web.json_response({"method": request.method}, headers=allowed)

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", respond)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", api).start()
    routes = [{"path": "/v1/projects/{environment}/**", "cors": "upstream"}]
    here = Installation(tmp_path, api, routes=routes)
    try:
        with here.serving():
            _, key = here.new_key()
            url = f"http://127.0.0.1:{here.gateway}{BASE}"
            given = {"url": url, "pair": key.pair, "kinds": ["used"]}
            said = await browse(tmp_path, good, PAGE % json.dumps(given))
    finally:
        await runner.cleanup()
    assert said["used"][0] == 200
    assert said["used"][2] == {"method": "PUT"}
    assert asked == [("OPTIONS", False), ("PUT", True)]
