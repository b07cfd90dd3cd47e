"""The settings in the console, and the question before access control is switched off."""

from __future__ import annotations

import pytest

from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import logged_in

LIFETIME = "/settings/maximum_key_lifetime"
ACCESS = "/settings/access_control"


async def test_a_setting_is_changed_and_says_what_is_wrong(api: AdminApi) -> None:
    """What was typed stays; what was saved says so."""
    browser = await logged_in(api)
    form = (await browser.get("/settings")).form(LIFETIME)
    refused = await browser.send(form, value="long")
    assert (refused.status, "should be a duration" in refused.text) == (422, True)
    assert 'aria-describedby="about-maximum_key_lifetime error-' in refused.source
    assert refused.form(LIFETIME).values["value"] == "long"
    saved = await browser.send(form, value="90d")
    assert (saved.path, "Saved." in saved.text) == ("/settings?saved=maximum_key_lifetime", True)
    assert saved.form(LIFETIME).values["value"] == "90d"
    assert "By default none." in saved.text


async def test_access_control_is_switched_off_after_a_question(api: AdminApi) -> None:
    """The page that asks says what it means; the audit log has who did it."""
    browser = await logged_in(api)
    page = await browser.get("/settings")
    assert f'href="{ACCESS}/off"' in page.source
    asked = await browser.get(f"{ACCESS}/off")
    assert "Anybody who reaches the gateway" in asked.text
    assert (await api.store.settings()) == {}
    page = await browser.send(asked.form(ACCESS))
    assert "Anybody who reaches the gateway reaches the API" in page.text
    assert (await api.store.settings()) == {"access_control": "off"}
    last = api.audit()[-1]
    assert (last["act"], last["account"], last["after"]) == (
        "setting.update",
        "1a1",
        {"value": "off"},
    )
    page = await browser.send(page.form(ACCESS))
    assert (await api.store.settings()) == {"access_control": "on"}


async def test_a_form_that_has_not_asked_leads_to_the_question(api: AdminApi) -> None:
    """A page that stood open for long, say."""
    browser = await logged_in(api)
    csrf = (await browser.get("/settings")).form(LIFETIME).values["csrf"]
    page = await browser.post(ACCESS, {"csrf": csrf, "value": "off"})
    assert (page.path, "Switch access control off?" in page.text) == (f"{ACCESS}/off", True)
    assert (await api.store.settings()) == {}


@pytest.mark.parametrize(
    ("kind", "role"), [(AccountKind.READ_ADMIN, Role.OWNER), (AccountKind.ADMIN, Role.MEMBER)]
)
async def test_who_may_see_settings_alone_is_offered_no_change(
    api: AdminApi, kind: AccountKind, role: Role
) -> None:
    """A readAdmin, and an admin with a key of a weaker role; neither gets further by hand."""
    browser = await logged_in(api, await api.key(await api.account(kind), role))
    page = await browser.get("/settings")
    assert (page.status, "Rotation overlap" in page.text) == (200, True)
    assert [form.action for form in page.forms if "/settings" in form.action] == []
    assert "/off" not in page.source
    assert (await browser.get(f"{ACCESS}/off")).status == 403
    values = {"csrf": page.form("/logout").values["csrf"], "value": "1h"}
    assert (await browser.post("/settings/rotation_overlap", values)).status == 403
    assert (await api.store.settings()) == {}


async def test_a_user_sees_no_settings(api: AdminApi) -> None:
    """They are not offered either."""
    browser = await logged_in(api, await api.key(await api.account()))
    for path in ("/settings", f"{ACCESS}/off"):
        assert (await browser.get(path)).status == 403
    assert "/settings" not in (await browser.get("/keys")).source


async def test_a_setting_that_is_none_is_not_found(api: AdminApi) -> None:
    """Whatever its name."""
    browser = await logged_in(api)
    csrf = (await browser.get("/settings")).form(LIFETIME).values["csrf"]
    assert (await browser.post("/settings/nothing", {"csrf": csrf, "value": "1h"})).status == 404
