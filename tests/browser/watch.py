"""Watches pages: whatever goes wrong in them fails the test, and a failed test leaves pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    Response,
    WebError,
)

from tests.browser.site import REMOTE


class Watch:
    """What went wrong in the pages of the contexts that it watches."""

    def __init__(self, port: int) -> None:
        """`port` is that of the console, from which all that pages load has to come."""
        self._hosts = {f"127.0.0.1:{port}", f"{REMOTE}:{port}"}
        self.faults: list[str] = []
        """In the order in which they happened. A test that expects one removes it."""

    def over(self, context: BrowserContext) -> None:
        """Watch a context: requests to others, files that are not served, errors in the console,
        among which are violations of the content security policy."""
        context.on("request", self._requested)
        context.on("response", self._answered)
        context.on("console", self._printed)
        context.on("weberror", self._raised)

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.netloc not in self._hosts and parts.scheme not in {"data", "blob"}:
            self.faults.append(f"a request to {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self.faults.append(f"{response.status} for {response.url}")

    def _printed(self, message: ConsoleMessage) -> None:
        # A page that is an error by its status is no fault; a file's status is seen above.
        if message.type in {"error", "warning"} and not message.text.startswith(
            "Failed to load resource"
        ):
            self.faults.append(f"console: {message.text}")

    def _raised(self, error: WebError) -> None:
        self.faults.append(f"script: {error.error}")


def keep_pictures(pages: Iterable[Page], folder: Path) -> Iterator[Path]:
    """Write a screenshot and the source of each page, as far as it has any. Yields the files."""
    for number, page in enumerate(pages, 1):
        with suppress(Error):
            source = folder / f"page-{number}.html"
            source.write_text(f"<!-- {page.url} -->\n{page.content()}")
            yield source
            picture = folder / f"page-{number}.png"
            page.screenshot(path=picture, full_page=True)
            yield picture
