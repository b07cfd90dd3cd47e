"""The settings in the console, without a script."""

from __future__ import annotations

from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import logged_in


async def test_settings_are_changed_and_say_what_is_wrong(api: AdminApi) -> None:
    """Access control says what it means while it is off."""
    browser = await logged_in(api)
    form = (await browser.get("/settings")).form("/settings/maximum_key_lifetime")
    refused = await browser.send(form, value="long")
    assert (refused.status, "should be a duration" in refused.text) == (422, True)
    assert refused.form("/settings/maximum_key_lifetime").values["value"] == "long"
    await browser.send(form, value="90d")
    form = (await browser.get("/settings")).form("/settings/access_control")
    page = await browser.send(form, value="off")
    assert "anybody reaches the API" in page.text
    assert (await api.store.settings()) == {"access_control": "off", "maximum_key_lifetime": "90d"}
