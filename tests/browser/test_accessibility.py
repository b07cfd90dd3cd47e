"""Every page in every state can be read and used by everybody: WCAG 2.2 AA, and more.

Its keyboard has a file of its own, `test_keyboard.py`.
"""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import Page

from tests.browser.axe import violations
from tests.browser.company import Company
from tests.browser.conftest import NewContext, Visit
from tests.browser.console import Console
from tests.browser.states import STATES

LOOKS: list[tuple[Literal["light", "dark"], int]] = [
    ("light", 1280),
    ("light", 360),
    ("dark", 360),
    ("dark", 1280),
]

SCREENS = {
    "a telephone": (360, 640, 16),
    "a page enlarged to 400 %": (320, 256, 16),
    "a tablet": (768, 1024, 16),
    "text enlarged to 200 %": (1280, 800, 32),
}
"""Width and height of the window, and the size of text that its user has chosen, in pixels."""

CUT_OFF = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => ["auto", "scroll", "hidden"].includes(
    getComputedStyle(element).overflowX);
  const inside = (element) => element && (scrolls(element) || inside(element.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter((each) => each.checkVisibility({visibilityProperty: true}))
    .filter((each) => each.getBoundingClientRect().right > width + 1)
    .filter((each) => !inside(each.parentElement))
    .map((each) => each.outerHTML.slice(0, 200));
}"""
"""What does not end inside the window, nor in a part of the page that scrolls by itself."""

MOVES = """() => [...document.querySelectorAll("*")].flatMap((each) =>
  ["", "::before", "::after"].map((part) => getComputedStyle(each, part))
    .filter((style) => style.scrollBehavior === "smooth" || [style.transitionDuration,
      style.animationDuration].join().split(",").some((time) => parseFloat(time) > 0.001))
    .map(() => each.outerHTML.slice(0, 200)))"""
"""What has a transition or an animation that takes time."""

COLOURS = """() => {
  const style = getComputedStyle(document.body);
  return [style.backgroundColor, style.color];
}"""


@pytest.mark.parametrize("name", STATES)
def test_a_page_is_accessible(
    new_context: NewContext, company: Company, visit: Visit, name: str
) -> None:
    """axe-core finds nothing, nothing is cut off on small screens or with large text (WCAG 1.4.4
    and 1.4.10), and nothing moves for a reader who does not want it."""
    page = new_context(**visit, reduced_motion="reduce").new_page()
    STATES[name](Console(page, company.maren), company)
    assert faults_of(page) == {}


def faults_of(page: Page) -> dict[str, list[str]]:
    """What is wrong with a page, by the look or the screen at which it is."""
    settings = page.context.new_cdp_session(page)
    found: dict[str, list[str]] = {"moves": page.evaluate(MOVES)}
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        found[f"{scheme} {width}"] = violations(page)
    for screen, (width, height, text) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        settings.send("Page.setFontSizes", {"fontSizes": {"standard": text}})
        found[screen] = page.evaluate(CUT_OFF)
    return {look: faults for look, faults in found.items() if faults}


def brightness(colour: str) -> float:
    """From 0 to 255, of a colour as a browser writes it."""
    red, green, blue = (float(each) for each in re.findall(r"[\d.]+", colour)[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_pages_are_light_or_dark_as_the_reader_wants_them(
    new_context: NewContext, scheme: str, dark: bool
) -> None:
    """Without a setting of their own."""
    page = new_context(color_scheme=scheme).new_page()
    page.goto("/login")
    ground, text = (brightness(each) for each in page.evaluate(COLOURS))
    assert (ground < text) is dark
