"""Whatever is asked of any page or form, the answer says what is wrong, and it is no failure."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.domain.events import Event, EventType
from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import NAMED, Page, logged_in

ODD = (
    *("", "0", "-1", "1a1", "1c1", "1m1", "1c0", "1a" + "9" * 30, "x" * 900, "\x00", "a\r\nb: c"),
    *(
        "é\u2028\u202e",
        "\udcff",
        "%",
        "%zz",
        "../..",
        "<img src=x>",
        "{{7*7}}",
        "'\"",
        "2026-13-99",
    ),
    *("-7d", "9999999999999999d", "NaN", "true", "access_control", "desc", "🔑"),
)
ONE_SERVER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
NAMES = (
    *("search", "state", "sort", "order", "marker", "table", "typed", "next", "back", "_format"),
    *("name", "description", "role", "lifetime", "date", "accountId", "slug", "kind", "createKey"),
    *("overlap", "form", "value", "action", "key", "session", "environment", "sure", "limit"),
    *("limits.rate", "limits.burst", "limits.quota", "limits.networks", "limits.scopes"),
    *("limits.window", "limits.enforce"),
    *("who", "what", "event", "since", "until", "by", "from", "to", "path", "method", "origin"),
    *("address", "finishWhenQuiet", "days", "seen", "trial", "webhook"),
)
KNOWN = {
    "id": ("1a1", "1a2", "1c1", "1c2", "1m1", "1wm1"),
    "member": ("1m1",),
    "of": ("accounts", "environments", "actors", "subjects"),
    "action": ("activate", "deactivate", "remove"),
    "name": ("access_control", "rotation_overlap"),
}
odd = st.sampled_from(ODD) | st.text(max_size=20)
fields = st.lists(st.tuples(st.sampled_from(NAMES), odd), max_size=5)


def paths(api: AdminApi, method: str) -> Iterator[tuple[str, list[str]]]:
    """The console's routes with this method: (their path, as a format; what it takes)."""
    assert api.client.app is not None
    for route in api.client.app.router.routes():
        info = route.resource.get_info() if route.resource is not None else {}
        path = info.get("path") or info.get("formatter", "")
        if route.method == method and not re.match("/(?:{version}|metrics|healthz|readyz)", path):
            yield path, re.findall(r"{(\w+)}", path)


def encoded(values: list[tuple[str, str]]) -> str:
    return urlencode(values, errors="surrogatepass")


def path_of(api: AdminApi, data: st.DataObject, method: str) -> str:
    """A path of the console, often one of something that exists, and a query."""
    path, takes = data.draw(st.sampled_from([*paths(api, method)]))
    given = {name: data.draw(st.sampled_from(KNOWN.get(name, ("x",))) | odd) for name in takes}
    quoted = {name: quote(value, "", errors="surrogatepass") for name, value in given.items()}
    return f"{path.format(**quoted)}?{encoded(data.draw(fields))}"


async def asked(api: AdminApi, method: str, path: str, data: str | None = None) -> Page:
    """The answer to a request of a browser, which follows no redirect."""
    headers = NAMED | {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
    async with api.client.request(
        method, path, data=data, headers=headers, allow_redirects=False
    ) as answer:
        return Page(answer.status, path, answer.headers, await answer.text())


@given(st.data())
@settings(max_examples=100, suppress_health_check=ONE_SERVER, deadline=None)
async def test_no_request_of_one_who_is_logged_in_makes_a_page_fail(
    api: AdminApi, data: st.DataObject
) -> None:
    """Any path, query and form. Each begins with an account, an environment, two keys and a message
    to a webhook."""
    user = await api.account()
    await api.environment({user: Role.OWNER})
    async with api.store.write() as change:
        await change.announce(Event(EventType.TEST, api.clock(), {}), "ops")
    api.client.session.cookie_jar.clear()
    browser = await logged_in(api, await api.key(await api.account(AccountKind.ADMIN)))
    form = (await browser.get("/keys/new")).form("/keys").values
    method = data.draw(st.sampled_from(["GET", "POST"]))
    path = path_of(api, data, method)
    sent = encoded([*form.items(), *data.draw(fields)]) if method == "POST" else None
    answer = await asked(api, method, path, sent)
    assert answer.status < 500, answer.source
    assert "<img src=x" not in answer.source


@given(st.data())
@settings(max_examples=100, suppress_health_check=ONE_SERVER, deadline=None)
async def test_no_request_of_a_stranger_makes_a_page_fail(
    api: AdminApi, data: st.DataObject
) -> None:
    """Nor does it show one."""
    api.client.session.cookie_jar.clear()
    method = data.draw(st.sampled_from(["GET", "POST"]))
    path, sent = path_of(api, data, method), encoded(data.draw(fields))
    answer = await asked(api, method, path, sent if method == "POST" else None)
    assert answer.status in {401, 404, 429} or path.startswith(("/login", "/static"))
    assert answer.status < 500, answer.source
    assert "<img src=x" not in answer.source


async def test_a_filter_that_means_nothing_filters_nothing(api: AdminApi) -> None:
    """As in the API, which is as lenient as Rancher's."""
    browser = await logged_in(api)
    for query in ("state=x", "sort=x", "sort=name&order=x", "table=x", "marker=", "_format=x"):
        page = await browser.get(f"/keys?{query}")
        assert (page.status, "1c1" in page.source) == (200, True), query


@pytest.mark.parametrize("marker", ["x", "\x00", "9" * 5000, "eyJhIjoxfQ", "{}", "Zm9v" * 2000])
async def test_a_marker_of_no_page_is_refused(api: AdminApi, marker: str) -> None:
    """It is only a page's own link that has one."""
    browser = await logged_in(api)
    assert (await browser.get(f"/keys?{urlencode({'marker': marker})}")).status == 422


async def test_however_many_pages_an_account_reads_one_of_their_lists_is_waiting(
    api: AdminApi,
) -> None:
    """Each account's pages are made one after the other, as its lists in the API are read. So
    another account waits for one of their lists at most."""
    browser, turn = await logged_in(api), cast(Any, api.store)._lists._turn
    async with turn, asyncio.TaskGroup() as readers:
        pages = [readers.create_task(browser.get("/overview")) for _ in range(5)]
        while not turn._waiters:  # noqa: ASYNC110  (there is no event)
            await asyncio.sleep(0)
        for _ in range(20):  # until all of them have arrived
            await browser.get("/static/icon.svg")
        assert len(turn._waiters) == 1
        turn.release()
        await asyncio.wait(pages)
        await turn.acquire()
    assert {page.result().status for page in pages} == {200}


async def test_a_form_that_is_sent_slowly_delays_no_list_of_its_account(api: AdminApi) -> None:
    """It is read before its turn comes."""
    browser, server = await logged_in(api), api.client.server
    token = (await browser.get("/keys/new")).form("/keys").values["csrf"]
    (cookie,) = api.client.session.cookie_jar
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        f"POST /keys HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: wardgate={cookie.value}\r\n"
        f"X-CSRF-Token: {token}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 9\r\n\r\n".encode()
    )
    answer = asyncio.ensure_future(reader.read(9))
    for _ in range(20):  # until the head has arrived
        await browser.get("/static/icon.svg")
    assert (await api.admin.get("/v2-beta/apikeys")).status == 200
    answered_first = answer.done()
    writer.write(b"role=none")
    assert (answered_first, await answer) == (False, b"HTTP/1.1 ")
    writer.close()
