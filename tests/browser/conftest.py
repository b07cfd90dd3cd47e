"""A Wardgate and a browser for each file, and what a test opens in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.chromium import chromium
from tests.browser.company import Company, furnished
from tests.browser.console import Console
from tests.browser.site import Site, running_site
from tests.browser.traffic import record_traffic
from tests.browser.watch import Watch, keep_pictures
from tests.patience import PATIENCE

FAILED = pytest.StashKey[bool]()
"""Whether a test has failed."""

NewContext = Callable[..., BrowserContext]
Visit = dict[str, Any]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    """Let the fixtures know whether the test has failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One Wardgate for all tests of a file."""
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def company(site: Site) -> Company:
    """People and keys as a company has them, in the file's Wardgate, and their requests."""
    company = furnished(site)
    with site.stopped():
        record_traffic(company, int(time.time()))
    return company


@pytest.fixture(scope="module")
def visit(browser: Browser, site: Site, company: Company) -> Visit:
    """The options of a context in which Maren has logged in already."""
    context = browser.new_context(base_url=site.url)
    Console(context.new_page(), company.maren).log_in()
    state = context.storage_state()
    context.close()
    return {"storage_state": state}


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    """What went wrong in the test's pages; at its end, nothing has."""
    watch = Watch(site.here.api)
    yield watch
    assert watch.faults == []


@pytest.fixture
def new_context(
    browser: Browser, site: Site, watch: Watch, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[NewContext]:
    """Makes a browser's user: cookies of its own, and the options that Playwright has."""
    made: list[BrowserContext] = []

    def new(**options: Any) -> BrowserContext:
        context = browser.new_context(**{"base_url": site.url} | options)
        context.set_default_timeout(PATIENCE * 1000)
        watch.over(context)
        made.append(context)
        return context

    yield new
    if request.node.stash.get(FAILED, False):
        pages = [page for context in made for page in context.pages]
        print("pages at the failure:", *keep_pictures(pages, tmp_path), sep="\n")
    for context in made:
        context.close()


@pytest.fixture
def console(new_context: NewContext, site: Site) -> Console:
    """The console, where an admin with no other key has just logged in."""
    console = Console(new_context().new_page(), site.person("Ada"))
    console.log_in()
    return console
