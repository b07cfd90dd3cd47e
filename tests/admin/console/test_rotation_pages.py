"""A key gets a new secret in the console, which shows which of the two is used after that."""

from __future__ import annotations

import re

import pytest

from admin.console.rendering import spelled
from proxy.domain.usage import DAY, HOUR
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Browser, Page, logged_in
from tests.support.seed import used

KEY = "/keys/1c2"
ROTATE = f"{KEY}/rotate"


async def a_key(api: AdminApi) -> Browser:
    """A browser of the admin, who has just made the key 1c2."""
    await api.admin.post("/v2-beta/apikeys", {"name": "n"})
    return await logged_in(api)


async def rotate(browser: Browser, **values: str) -> Page:
    """What follows when the form is sent."""
    return await browser.send((await browser.get(ROTATE)).form(ROTATE), **values)


def section(page: Page) -> str:
    """What the page of a key says of its rotation, without markup."""
    (found,) = re.findall(r'<section class="rotation".*?</section>', page.source, re.DOTALL)
    return " ".join(re.sub("<[^>]+>", " ", found).split()).replace(" .", ".").replace(" ,", ",")


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


@pytest.mark.parametrize(("setting", "days"), [("24h", 30), ("60d", 60)])
async def test_a_secret_that_ends_when_it_is_quiet_stays_longer_by_default(
    api: AdminApi, setting: str, days: int
) -> None:
    """The form says for how long, and so does the page after it."""
    await api.admin.put("/v2-beta/settings/rotation_overlap", {"value": setting})
    browser, began = await a_key(api), api.clock.now
    assert (
        f"As the settings say; {days} days if you fill in the time below"
        in (await browser.get(ROTATE)).text
    )
    page = await rotate(browser, finishWhenQuiet=" 3d ")
    assert "or until nobody has used it for 3 days" in page.text
    _, old = (await api.admin.get("/v2-beta/apikeys/1c2")).body["secrets"]
    assert (old["finishWhenQuiet"], old["expiresTS"]) == ("3d", began + days * DAY)
    page = await rotate(browser, overlap="1h")
    assert "nobody has used it for" not in page.text


@pytest.mark.parametrize(
    ("overlap", "quiet", "text"),
    [
        ("1h", "3d", "this time must be more than 0, and shorter than the overlap"),
        ("0", "1s", "this time must be more than 0"),
        ("", "0", "this time must be more than 0"),
        ("", "long", "this time should be a duration"),
        ("", "<b>", "this time should be a duration"),
    ],
)
async def test_an_error_stands_at_the_time_and_what_was_typed_stays(
    api: AdminApi, overlap: str, quiet: str, text: str
) -> None:
    """The key keeps its secret."""
    browser = await a_key(api)
    refused = await rotate(browser, overlap=overlap, finishWhenQuiet=quiet)
    assert refused.status == 422
    (error,) = re.findall(r'id="error-finishWhenQuiet" role="alert">([^<]*)<', refused.source)
    assert error.startswith(text)
    assert 'aria-describedby="error-finishWhenQuiet"' in refused.source
    form = refused.form(ROTATE)
    assert (form.values["overlap"], form.values["finishWhenQuiet"]) == (overlap, quiet)
    assert "key.rotate" not in [each["act"] for each in api.audit()]
    assert (await browser.send(form, overlap="1h", finishWhenQuiet="")).status == 201


async def test_a_key_says_whether_it_has_one_secret_or_two(api: AdminApi) -> None:
    """With the time of the last rotation, once that is over."""
    browser, fact = await a_key(api), re.compile(r"<dt>Secret keys</dt><dd>(\w+[^<]*)")
    assert fact.findall((await browser.get(KEY)).source) == ["One"]
    api.clock.now += HOUR // 2
    await rotate(browser, overlap="24h")
    page = await browser.get(KEY)
    assert fact.findall(page.source) == ["Two: the new one, and the previous one until "]
    assert '<a href="#rotation">' in page.source
    api.clock.now += DAY
    browser = await logged_in(api)
    page = await browser.get(KEY)
    assert fact.findall(page.source) == ["One, made "]
    assert 'id="rotation"' not in page.source


async def test_a_rotation_shows_which_secret_is_used_since_when_and_from_where(
    api: AdminApi,
) -> None:
    """And how often; at first neither is."""
    browser, began = await a_key(api), api.clock.now
    await rotate(browser, overlap="7d")
    text = section(await browser.get(KEY))
    assert "It has not been used yet." in text
    assert "The old one is still valid; nobody has used it since the rotation." in text
    assert "New never never nowhere 0 with the key Old never never nowhere 0 in 7 days" in text
    for ago, address, previous, count in (
        (4, "192.0.2.1", True, 1199),
        (3, "192.0.2.9", True, 1),
        (2, "2001:db8::7", False, 1),
    ):
        use = used(
            2,
            began + (5 - ago) * HOUR,
            address=address,
            count=count,
            rotated=began,
            previous=previous,
        )
        await api.store.record_usage(use, {})
    api.clock.now = began + 5 * HOUR
    text = section(await (await logged_in(api)).get(KEY))
    assert "new secret key 5 hours ago. It was used once since then, last 2 hours ago from" in text
    assert "The old one is still valid; it was last used 3 hours ago from 192.0.2.9." in text
    assert "whether it is used or not" in text
    assert "New 2 hours ago 2 hours ago 2001:db8::7 1 with the key" in text
    assert "Old 4 hours ago 3 hours ago 192.0.2.9 1,200 in 6 days" in text


async def test_an_old_secret_of_a_key_that_is_refused_is_not_called_valid(api: AdminApi) -> None:
    """That nobody uses it then is no evidence that nobody needs it."""
    browser = await a_key(api)
    await rotate(browser, overlap="7d", finishWhenQuiet="3d")
    await browser.send((await browser.get(KEY)).form(f"{KEY}/deactivate"))
    text = section(await browser.get(KEY))
    assert "has not ended, but nobody can use it while the gateway refuses this key" in text
    assert "still valid" not in text


async def test_a_rotation_says_when_the_old_secret_ends_for_being_quiet(api: AdminApi) -> None:
    """A use puts that off, as far as the overlap reaches."""
    browser, began = await a_key(api), api.clock.now
    await rotate(browser, overlap="7d", finishWhenQuiet="3d")
    text = section(await browser.get(KEY))
    assert "It ends once nobody has used it for 3 days: on 2" in text
    assert "if it is not used before, and on 2" in text
    assert text.endswith("0 in 3 days")
    assert "<ins>3 days</ins>" in (await browser.get("/audit?what=1c2")).source
    api.clock.now = began + 3 * DAY + HOUR
    text = section(await (await logged_in(api)).get(KEY))
    assert "Nobody has used it for 3 days, so it ends within a minute" in text
    assert text.endswith("0 soon")
    use = used(2, began + 5 * DAY, rotated=began, previous=True)
    await api.store.record_usage(use, {})
    api.clock.now = began + 5 * DAY
    text = section(await (await logged_in(api)).get(KEY))
    assert "whether it is used or not" in text
    assert text.endswith("1 in 2 days")


async def test_who_rotates_again_is_told_what_ends_at_once(api: AdminApi) -> None:
    """And who used it last."""
    browser, began = await a_key(api), api.clock.now
    assert "two secret keys" not in (await browser.get(ROTATE)).text
    await rotate(browser)
    text = "The older one ends as soon as you rotate it again; nobody has used it"
    assert text in (await browser.get(ROTATE)).text
    use = used(2, began, address="192.0.2.9", rotated=began, previous=True)
    await api.store.record_usage(use, {})
    assert "rotate it again; it was last used just now from 192.0.2.9." in (
        (await browser.get(ROTATE)).text
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1d", "1 day"),
        ("36h", "36 hours"),
        ("1m", "1 minute"),
        ("11m", "11 minutes"),
        ("5s", "5 seconds"),
        ("0", "0"),
    ],
)
def test_a_duration_is_said_in_words(text: str, said: str) -> None:
    """In its own unit."""
    assert spelled(text) == said
