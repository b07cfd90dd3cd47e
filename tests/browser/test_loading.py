"""How pages load: little of them, painted at once, and nothing moves."""

from __future__ import annotations

import pytest
from playwright.sync_api import Request, Route, expect

from tests.browser.company import Company
from tests.browser.conftest import NewContext, Visit
from tests.browser.site import Site
from tests.browser.states import PAGES, path_of
from tests.patience import PATIENCE

PAINTED = """(patience) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error("nothing was painted")), patience * 1000);
  const painted = (list) => list.getEntriesByName("first-contentful-paint").forEach(resolve);
  new PerformanceObserver(painted).observe({type: "paint", buffered: true});
})"""
"""Waits until there is something to see."""
SHIFTS = """() => new Promise((resolve) => {
  const shifts = [];
  const observer = new PerformanceObserver((list) => shifts.push(...list.getEntries()));
  observer.observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(
    shifts.flatMap((each) => each.sources.map((source) => source.node?.outerHTML))))));
})"""
"""What has moved since the page was opened."""


@pytest.fixture(scope="module")
def many_keys(site: Site, company: Company) -> None:
    """As many keys as a page shows, in both tables."""
    for owner in (company.maren.id, company.environments["prod"]):
        for number in range(50):
            site.key(owner, f"worker-{number:02}", description="one of the many workers")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.usefixtures("many_keys")
def test_a_page_is_small_and_painted_before_its_scripts_and_nothing_moves(
    new_context: NewContext, company: Company, visit: Visit, name: str
) -> None:
    """It is less than 100 KB with everything that it loads, in a browser that has never been here.
    The scripts come after the first paint, however slow the network is."""
    page = new_context(**visit).new_page()
    requests: list[Request] = []
    held: list[Route] = []
    page.on("requestfinished", lambda each: requests.append(each))  # noqa: PLW0108 - see below
    page.route("**/*.js*", lambda route: held.append(route))  # noqa: PLW0108 - no built-in function
    page.goto(path_of(PAGES[name], company), wait_until="commit")
    page.evaluate(PAINTED, PATIENCE)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert held != []
    for route in held:
        route.continue_()
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.classList.contains('scripted')")
    sizes = {each.url: size_of(each) for each in requests}
    assert len(sizes) >= 4  # the page, its style and two scripts
    assert sum(sizes.values()) < 100_000, sizes
    shifts = page.evaluate(SHIFTS)
    page.unroute("**/*.js*")
    for _ in range(2):  # on a busy machine the browser may not wait for the whole page
        if shifts:
            page.reload()
            page.wait_for_load_state()
            shifts = page.evaluate(SHIFTS)
    assert shifts == []


def size_of(request: Request) -> int:
    """The bytes of the answer to a request, as they were transferred."""
    sizes = request.sizes()
    return sizes["responseHeadersSize"] + sizes["responseBodySize"]
