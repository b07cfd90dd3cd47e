"""A key gets a new secret in the console, which says what becomes of the old one."""

from __future__ import annotations

from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import logged_in


async def test_a_rotation_says_how_long_the_old_secret_stays(api: AdminApi) -> None:
    """Also where that is left to the settings."""
    browser = await logged_in(api)
    page = await browser.get("/keys/1c1/rotate")
    assert "1 day As the settings say" in page.text
    assert page.text.count("1 day") == 1
    for value, text in (("0", "Not at all"), ("12h", "12h")):
        await api.admin.put("/v2-beta/settings/rotation_overlap", {"value": value})
        page = await browser.get("/keys/1c1/rotate")
        assert f"{text} As the settings say" in page.text
