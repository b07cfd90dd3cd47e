"""The audit log in the console: what it shows, its filter and its pages, and what was altered."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from proxy.domain.audit import Actor, Entry
from proxy.domain.model import AccountKind
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Page, logged_in

DAY = 86_400_000


def rows(page: Page) -> int:
    """The entries on a page."""
    return page.source.count("<tr") - page.source.count("<thead>")


async def record(api: AdminApi, count: int, subject: str = "1c9", time: int | None = None) -> None:
    """Write entries by the admin's key."""
    async with api.store.write() as tx:
        for number in range(count):
            actor = Actor("1a1", "1c1", "127.0.0.1", f"r{number}")
            at = api.clock() if time is None else time
            await tx.record(Entry(at, actor, "key.update", subject, {"name": "a"}, {"name": "b"}))


async def test_an_entry_says_who_did_what_and_what_changed(api: AdminApi) -> None:
    """By names that lead to pages; the value before stands beside the one after."""
    await api.admin.post("/v2-beta/apikeys", {"name": "old", "expires": "1d"})
    headers = {"X-Request-Id": "r-77"}
    await api.admin.put("/v2-beta/apikeys/1c2", {"name": "new", "expires": None}, headers=headers)
    page = await (await logged_in(api)).get("/audit?what=1c2&action=key.update")
    assert rows(page) == 1
    assert "API key edited new" in page.text
    assert '<a href="/keys/1c2" title="1c2">new</a>' in page.source
    assert "name from old → to new" in page.text
    assert re.search(r'<del><time datetime="[^"]+"', page.source)
    assert "127.0.0.1 request r-77" in page.text


async def test_what_the_server_did_and_messages_to_webhooks_are_in_words(api: AdminApi) -> None:
    """They are among the actions of the filter, and a message is found by its id."""
    async with api.store.write() as tx:
        for action in ("key.finish_rotation", "webhook.test", "webhook.retry"):
            await tx.record(Entry(api.clock(), Actor(), action, "1wm3", None, None))
    browser = await logged_in(api)
    page = await browser.get("/audit?what=1wm3")
    assert rows(page) == 3
    for words in ("API key's old secret ended", "Webhook tried out", "Webhook message sent again"):
        assert f"{words} 1wm3" in page.text
    assert page.links.count("/webhooks/1wm3") == 2
    assert rows(await browser.get("/audit?action=webhook.retry")) == 1


@pytest.mark.parametrize(
    ("query", "entries"),
    [
        ("", 5),
        ("search=deactivate", 1),
        ("search=DEACTIVATE", 1),
        ("who=1a1", 4),
        ("who=robot", 1),
        ("who=1c1", 4),
        ("what=1c3", 2),
        ("what=thing", 2),
        ("what=access_control", 1),
        ("action=key.create", 1),
        ("action=key.", 2),
        ("action=key.sing", 0),
        ("when=1h", 5),
        ("when=any&from=2001-01-01&to=2001-01-01", 5),
        ("from=2001-01-01&to=2001-01-01", 0),
        ("when=date&from=2001-01-01", 5),
        ("who=1a1&what=1c3&action=key.deactivate&when=24h", 1),
        ("before=3", 2),
    ],
)
async def test_the_log_is_filtered_by_who_what_and_when(
    api: AdminApi, query: str, entries: int
) -> None:
    """By id or by name; the address holds all of it."""
    robot = await api.key(await api.account(AccountKind.ADMIN))
    await api.admin.put("/v2-beta/accounts/1a2", {"name": "robot"})
    await robot.put("/v2-beta/settings/access_control", {"value": "on"})
    await api.admin.post("/v2-beta/apikeys", {"name": "thing"})
    await api.admin.post("/v2-beta/apikeys/1c3/?action=deactivate")
    browser = await logged_in(api)
    page = await browser.get(f"/audit?{query}")
    assert (page.status, rows(page)) == (200, entries)
    if not entries:
        assert "No entry matches" in page.text


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ("who=nobody", "who", "Nothing has this id or name"),
        ("what=twice", "what", "Several have this name: 1c2, 1c3"),
        ("from=yesterday", "from", "This should be a day"),
        ("to=2026-02-30", "to", "This should be a day"),
        ("from=2026-02-02&to=2026-02-01", "to", "before the first one"),
        ("when=7", "when", "Choose one of the times"),
    ],
)
async def test_an_error_stands_at_its_field_and_what_was_typed_stays(
    api: AdminApi, query: str, field: str, text: str
) -> None:
    """Nothing is shown then that was not asked for."""
    for _ in range(2):
        await api.admin.post("/v2-beta/apikeys", {"name": "twice"})
    page = await (await logged_in(api)).get(f"/audit?{query}")
    assert (page.status, rows(page)) == (422, 0)
    (error,) = re.findall(rf'id="error-{field}"[^>]*>([^<]*)<', page.source)
    assert text in error
    given = dict(each.split("=") for each in query.split("&"))
    if field != "when":
        assert page.form("/audit").values[field] == given[field]


async def test_the_days_of_a_filter_are_whole(api: AdminApi) -> None:
    """From the first moment of one to the last of the other."""
    first = 1_700_006_400_000  # 2023-11-15T00:00:00Z
    for time in (first - 1, first, first + DAY - 1, first + DAY):
        await record(api, 1, time=time)
    browser = await logged_in(api)
    page = await browser.get("/audit?from=2023-11-15&to=2023-11-15")
    assert rows(page) == 2
    assert rows(await browser.get("/audit?from=2023-11-15")) == 4  # with the login


async def test_long_logs_are_paged(api: AdminApi) -> None:
    """The newest first; a filter stays while paging, also where it finds little."""
    await record(api, 120)
    await record(api, 1, "1c7")
    async with api.store.write() as tx:
        for _ in range(10_050):
            await tx.record(Entry(api.clock(), Actor(), "session.end", "1c8", None, None))
    browser = await logged_in(api)
    page = await browser.get("/audit?what=1c9")
    seen = []
    while True:
        seen += re.findall(r"/v2-beta/auditlogs/(\d+)\"", page.source)
        older = re.findall(r'href="(/audit\?what=1c9&amp;before=\d+)">Older', page.source)
        if not older:
            break
        page = await browser.get(older[0].replace("&amp;", "&"))
        assert "Newest entries" in page.text
    assert seen == [str(number) for number in range(120, 0, -1)]
    assert rows(await browser.get("/audit?what=1c7")) == 1


@pytest.mark.parametrize(
    "altered",
    [
        "before = '{bad'",
        "after = ''",
        "after = '[1]'",
        f"after = '{'[' * 100_000}'",
        'after = \'{"name": "\\ud800"}\'',
        "time = 9000000000000000",
        "time = -9223372036854775808",
        "account = '<img onerror=alert(1)>'",
        "act = 'key.create'",
        "hash = 'x'",
    ],
)
async def test_an_altered_entry_is_shown_as_altered(api: AdminApi, altered: str) -> None:
    """Whatever it holds; no other entry is, except where the hash itself was altered."""
    await record(api, 4)
    with closing(sqlite3.connect(api.file)) as connection, connection:
        connection.execute(f"UPDATE audit SET {altered} WHERE sequence = 2")
    page = await (await logged_in(api)).get("/audit")
    assert (page.status, rows(page)) == (200, 5)
    assert page.text.count("This entry was altered") == (2 if "hash" in altered else 1)
    assert "<img" not in page.source.partition('id="entries"')[2]


async def test_an_entry_fits_the_one_before_it_on_the_next_page(api: AdminApi) -> None:
    """And where that was deleted, nothing is said: the log may have been cut."""
    await record(api, 60)
    browser = await logged_in(api)
    for path in ("/audit", "/audit?before=12", "/audit?what=1c9&action=key.update"):
        assert "was altered" not in (await browser.get(path)).text.partition("What changed")[2]
    with closing(sqlite3.connect(api.file)) as connection, connection:
        connection.execute("DELETE FROM audit WHERE sequence < 50")
    assert "This entry was altered" not in (await browser.get("/audit")).text


async def test_text_in_an_entry_never_becomes_markup(api: AdminApi) -> None:
    """Nor a link."""
    evil = "<img onerror=alert(1)>javascript:alert(1)"
    await api.admin.post("/v2-beta/apikeys", {"name": evil, "description": evil})
    page = await (await logged_in(api)).get("/audit")
    assert evil in page.text
    assert "<img onerror" not in page.source
    assert 'href="javascript' not in page.source


async def test_the_export_is_the_list_of_the_api_with_the_same_filter(api: AdminApi) -> None:
    """As JSON, in a browser too."""
    await record(api, 3)
    await record(api, 2, "1c7")
    browser = await logged_in(api)
    page = await browser.get("/audit?what=1c7")
    (link,) = re.findall(r'href="(/v2-beta/auditlogs\?[^"]*)"', page.source)
    export = await browser.get(link.replace("&amp;", "&"))
    assert export.headers["Content-Type"].startswith("application/json")
    assert export.source.count('"resourceId": "1c7"') == 2
    assert "1c9" not in export.source


async def test_a_user_sees_no_audit_log(api: AdminApi) -> None:
    """It is not offered either."""
    browser = await logged_in(api, await api.key(await api.account()))
    assert (await browser.get("/audit")).status == 403
    assert "/audit" not in (await browser.get("/keys")).source
