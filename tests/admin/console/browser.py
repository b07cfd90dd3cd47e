"""A browser without scripts: it keeps cookies, reads forms, and sends them as they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from aiohttp.test_utils import TestClient

from tests.admin.admin_api import AdminApi, Presented

NAMED = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
}


@dataclass
class Form:
    """A form of a page."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Collects forms and text."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self._select: str | None = None
        self._reading: str | None = None
        """The field whose value is the text that follows."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "form":
            self.forms.append(Form(given["action"], given.get("method", "get")))
        elif tag in {"input", "textarea"} and self.forms and "name" in given:
            if given.get("type") not in {"checkbox", "radio"} or "checked" in given:
                self.forms[-1].values[given["name"]] = given.get("value", "")
            self._reading = given["name"] if tag == "textarea" else None
        elif tag == "select" and self.forms:
            self._select = given["name"]
        elif tag == "option" and self._select is not None:
            values = self.forms[-1].values
            if "selected" in given or self._select not in values:
                values[self._select] = given.get("value", "")
                self._reading = None if "value" in given else self._select

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        if tag in {"textarea", "option"}:
            self._reading = None

    def handle_data(self, data: str) -> None:
        if self._reading is not None:
            self.forms[-1].values[self._reading] += data
        self.words.append(data)


@dataclass(frozen=True)
class Page:
    """What the browser shows."""

    status: int
    path: str
    headers: Any
    source: str

    @property
    def text(self) -> str:
        """The text of the page, without markup."""
        return " ".join(" ".join(self._read().words).split())

    @property
    def forms(self) -> list[Form]:
        """The forms, in order."""
        return self._read().forms

    @property
    def links(self) -> list[str]:
        """Where the links of the page lead, in order."""
        return self._read().links

    def form(self, action: str) -> Form:
        """The form that is sent to `action`."""
        (found,) = [each for each in self.forms if each.action == action]
        return found

    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.source)
        return reader


class Browser:
    """A browser at an admin server."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self._client = client

    async def get(self, path: str, **headers: str) -> Page:
        """Open a page, and follow where it leads."""
        return await self._ask("GET", path, None, headers)

    async def send(self, form: Form, **values: str) -> Page:
        """Send a form, with these values in its fields."""
        filled = form.values | values
        if form.method == "get":
            return await self.get(f"{form.action}?{urlencode(filled)}")
        return await self.post(form.action, filled)

    async def post(self, path: str, values: dict[str, str], **headers: str) -> Page:
        """Send values, whatever a page says."""
        return await self._ask("POST", path, values, headers)

    async def _ask(self, method: str, path: str, data: Any, headers: dict[str, str]) -> Page:
        async with self._client.request(method, path, data=data, headers=NAMED | headers) as answer:
            return Page(answer.status, answer.url.path_qs, answer.headers, await answer.text())

    async def follow(self, url: str) -> Page:
        """Follow a link to another host, and where it leads."""
        async with self._client.session.get(url, headers=NAMED) as answer:
            return Page(answer.status, answer.url.path_qs, answer.headers, await answer.text())

    async def log_in(self, presented: Presented, path: str = "/") -> Page:
        """Open a page, and log in where it asks for that; who is logged in logs out first."""
        asked = await self.get(path)
        if any(form.action == "/logout" for form in asked.forms):
            await self.send(asked.form("/logout"))
        asked = await self.get(path)
        return await self.send(
            asked.form("/login"), access=presented.key.access_key, secret=presented.secret
        )


async def logged_in(api: AdminApi, presented: Presented | None = None) -> Browser:
    """A browser that has logged in, by default with the admin's key."""
    browser = Browser(api.client)
    assert (await browser.log_in(presented or api.admin)).status == 200
    return browser
