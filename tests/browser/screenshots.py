"""Pictures of the console for the documentation: `python -m tests.browser.screenshots [FOLDER]`.

All of them are of a made-up company, at a fixed time, with keys that are none: they change where
the console's looks do, and elsewhere in no more than a few pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from playwright.sync_api import Browser, Page

from tests.browser.chromium import chromium
from tests.browser.company import DAY, Company
from tests.browser.console import Console
from tests.browser.png import with_palette
from tests.browser.site import Site, install
from tests.browser.states import STATES
from tests.browser.traffic import record_traffic
from tests.programs import free_port, module, running, sample_api

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
NOW: Final = int(datetime(2026, 9, 17, 9, 41, tzinfo=UTC).timestamp())

PICTURES: Final = {
    "overview": "overview",
    "keys": "keys",
    "create": "key_form_filled",
    "key": "key_permitted",
    "environments": "environments",
    "environment": "environment",
    "accounts": "accounts",
    "audit": "audit",
    "settings": "settings",
    "login": "login",
    "api": "api_key",
    "secret": "secret",
}
"""The name of a picture → the state that it shows. The last one makes a key, which no other has."""
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

REPLACE: Final = """texts => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    for (const [real, shown] of texts) {
      walker.currentNode.data = walker.currentNode.data.replaceAll(real, shown);
    }
  }
}"""
DISGUISES: Final[Mapping[str, Callable[[str, str], str]]] = {
    r"wgs_[A-Za-z0-9]{40}": lambda real, digest: "wgs_ThisIsNoSecretKeyButLooksLikeOneInHere00",
    r"\b[0-9A-F]{20}\b": lambda real, digest: digest[:20].upper(),
    r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b": lambda real, digest: str(UUID(digest[:32], version=4)),
    r"http://127\.0\.0\.1:\d+": lambda real, digest: "https://keys.tidewater.example",
}
"""What differs from run to run (keys, ids, ports), and what is shown in its place. The
digest is that of its place on the page."""

Look = dict[str, Any]
"""The options of a context in Playwright."""


def take_pictures(folder: Path, names: Iterable[str] = PICTURES) -> list[Path]:
    """Write the pictures to a folder, or those with the names alone. Returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        upstream = free_port()
        (origin := Path(home, "origin")).mkdir()
        with running(sample_api(upstream), upstream, origin):
            company = live(Path(home), upstream)
            with company.site.running(), chromium() as browser:
                look = logged_in(browser, company)
                return [
                    picture(browser, company, look | {"color_scheme": scheme}, name, folder)
                    for name in names
                    for scheme in ("light", "dark")
                ]


def live(folder: Path, upstream: int) -> Company:
    """The company at `NOW`, whose past has happened, each part at its time."""
    before = at(max(Company.PAST) + 1)
    here = install(folder, upstream, program=before, public_url="https://api.tidewater.example")
    company = Company(Site(here))
    for days, happen in Company.PAST.items():
        here.command = [*at(days), *here.command[-3:]]
        with company.site.running():
            happen(company)
    record_traffic(company, NOW)
    here.command = [*at(0), *here.command[-3:]]
    return company


def at(days: float) -> list[str]:
    """The command of a `wardgate` whose clock stands so many days before `NOW`."""
    return module("tests.browser.clock", str(int(NOW - days * DAY)))


def logged_in(browser: Browser, company: Company) -> Look:
    """The options of a context in which Maren has logged in."""
    look: Look = {
        "base_url": company.site.url,
        "viewport": {"width": 1280, "height": 800},
        "reduced_motion": "reduce",
        "timezone_id": "UTC",
        "locale": "en-GB",
        "user_agent": AGENT,
    }
    context = browser.new_context(**look)
    Console(context.new_page(), company.maren).log_in()
    look["storage_state"] = context.storage_state()
    context.close()
    return look


def picture(browser: Browser, company: Company, look: Look, name: str, folder: Path) -> Path:
    """Write one picture. Returns its file."""
    context = browser.new_context(**look)
    console = Console(context.new_page(), company.maren)
    STATES[PICTURES[name]](console, company)
    disguise(console.page)
    file = folder / f"{name}-{look['color_scheme']}.png"
    file.write_bytes(with_palette(console.page.screenshot(caret="hide"), context.new_page()))
    context.close()
    return file


def disguise(page: Page) -> None:
    """Show other things than those that differ from run to run, or that are keys."""
    text = page.locator("body").inner_text()
    texts = []
    for pattern, instead in DISGUISES.items():
        for number, real in enumerate(dict.fromkeys(re.findall(pattern, text))):
            digest = hashlib.sha256(str(number).encode()).hexdigest()
            texts.append((real, instead(real, digest)))
    page.evaluate(REPLACE, texts)


def main() -> int:
    """Take the pictures, and say how large they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    for file in take_pictures(parser.parse_args().folder):
        print(f"{file.stat().st_size / 1000:6.0f} KB {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
