"""The page of a new secret, in a real browser."""

from __future__ import annotations

import re

from playwright.async_api import async_playwright, expect

from tests.admin.admin_api import AdminApi
from tests.patience import PATIENCE
from tests.programs import program

SECRET = re.compile(r"wgs_[A-Za-z0-9]{40}")


async def test_a_page_that_a_browser_keeps_for_its_history_holds_no_secret(api: AdminApi) -> None:
    """Browsers keep whole pages for their back button, some in spite of `no-store`."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=program("chromium"),
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync"),
            ],
        )
        page = await chromium.new_page(base_url=str(api.client.make_url("")))
        page.set_default_timeout(PATIENCE * 1000)
        await page.goto("/keys/new")
        await page.get_by_label("Access key").fill(api.admin.key.access_key)
        await page.get_by_label("Secret key").fill(api.admin.secret)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_label("Name").fill("deploy")
        await page.get_by_role("button", name="Create").click()
        await expect(page.get_by_text("This is the only time you can see it")).to_be_visible()
        assert SECRET.search(await page.content())
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
        assert not SECRET.search(await page.content())
        back = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
        await page.evaluate(back)
        await page.wait_for_url("**/keys")
        await chromium.close()
