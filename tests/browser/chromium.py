"""The browser: the system's Chromium, which reaches this machine alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.site import REMOTE
from tests.patience import PATIENCE
from tests.programs import program

ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-sandbox",  # which a container may not have, and our own pages do not need
    f"--host-resolver-rules=MAP {REMOTE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

expect.set_options(timeout=PATIENCE * 1000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, until the context ends. Where there is no Chromium, the test is skipped."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"),
            args=ARGUMENTS,
            ignore_default_args=["--disable-back-forward-cache"],  # people have it
        )
        yield browser
        browser.close()
