"""The rules of accessibility of axe-core, which is installed from npm."""

from __future__ import annotations

from functools import cache

from playwright.sync_api import Page

from tests.npm import npm_package

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@cache
def _source() -> str:
    return (npm_package("axe-core") / "axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """What violates the rules on a page, one line for each element."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())
    found = page.evaluate(
        "rules => axe.run({runOnly: rules, resultTypes: ['violations']})", list(RULES)
    )
    return [
        f"{rule['id']}: {node['html']}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
