"""Limits in the console: set in forms, shown in the table and on each page."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from admin.api.representations import timestamp
from admin.console.limits import limits_body, limits_brief, limits_form
from proxy.domain.limits import limits_json, parse_limits
from proxy.domain.model import Role
from proxy.domain.quota import Period, Quota
from proxy.store.protocols import QuotaDemand
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Page, logged_in

FILLED = {
    "limits.rate": "100/min",
    "limits.burst": "20",
    "limits.quota": "1000/day",
    "limits.networks": "10.0.0.0/8\r\n2001:db8::1, 192.0.2.7",
    "limits.scopes": "GET,PUT /v1/things/**\r\n\r\n* /v2/{environment}/x",
    "limits.window": "Mon-Fri 08:00-18:00",
    "limits.enforce": "no",
}
LIMITS = {
    "rate": "100/min",
    "burst": 20,
    "quota": "1000/day",
    "networks": ["10.0.0.0/8", "2001:db8::1/128", "192.0.2.7/32"],
    "scopes": ["GET,PUT /v1/things/**", "* /v2/{environment}/x"],
    "window": "Mon-Fri 08:00-18:00",
    "enforce": False,
}


async def of_key(api: AdminApi, name: str) -> Any:
    """The limits of the key with this name."""
    (key,) = (await api.admin.get(f"/v2-beta/apikeys?name={name}")).body["data"]
    return key["limits"]


async def test_a_key_is_made_and_edited_with_limits(api: AdminApi) -> None:
    """The form to edit them has what was set; an empty field takes a limit away."""
    browser = await logged_in(api)
    form = (await browser.get("/keys/new")).form("/keys")
    assert (await browser.send(form, name="n", **FILLED)).status == 201
    assert await of_key(api, "n") == LIMITS
    form = (await browser.get("/keys/1c2/edit")).form("/keys/1c2/edit")
    for name in ("rate", "burst", "quota", "window"):
        assert form.values[f"limits.{name}"] == FILLED[f"limits.{name}"]
    assert form.values["limits.scopes"].split("\n") == LIMITS["scopes"]
    await browser.send(form, name="n")
    assert await of_key(api, "n") == LIMITS
    await browser.send(form, name="n", **{"limits.rate": "", "limits.burst": ""})
    assert await of_key(api, "n") == {k: v for k, v in LIMITS.items() if k not in {"rate", "burst"}}
    await browser.send(form, **dict.fromkeys(FILLED, ""))
    assert await of_key(api, "n") == {}


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("rate", "many", "rate should be a rate such as 100/s"),
        ("burst", "a", "burst should be a number, beside a rate"),
        ("burst", "5", "burst should be a number, beside a rate"),
        ("quota", "5/year", "quota should be a quota such as"),
        ("networks", "10.0.0.1/8", "networks should be addresses or networks"),
        ("scopes", "GET things", "scopes should have a path such as"),
        ("window", "always", "window should be"),
    ],
)
async def test_an_error_stands_beside_its_limit_and_what_was_typed_stays(
    api: AdminApi, field: str, value: str, text: str
) -> None:
    """The fields are in sight, although nobody had opened them before."""
    browser = await logged_in(api)
    page = await browser.get("/keys/new")
    assert '<details class="limits">' in page.source
    refused = await browser.send(page.form("/keys"), name="typed", **{f"limits.{field}": value})
    assert refused.status == 422
    assert '<details class="limits" open>' in refused.source
    (error,) = re.findall(r'id="error-limits\.(\w+)" role="alert">([^<]*)<', refused.source)
    assert error[0] == field
    assert error[1].startswith(text)
    assert refused.form("/keys").values[f"limits.{field}"] == value
    assert refused.form("/keys").values["name"] == "typed"


async def test_a_key_that_is_wider_than_ones_own_is_refused_beside_the_limit(api: AdminApi) -> None:
    """Left empty, it has the limits of the key with which one has logged in; the form says so."""
    presented = await api.key(await api.account(), Role.OWNER)
    own = parse_limits({"rate": "10/s", "scopes": ["GET /**"]})
    await api.put(replace(presented.key, limits=own))
    browser = await logged_in(api, presented)
    page = await browser.get("/keys/new")
    assert "the key has the limits of the one that you have logged in with" in page.text
    refused = await browser.send(page.form("/keys"), name="wide", **{"limits.rate": "11/s"})
    assert refused.status == 403
    assert 'id="error-limits.rate"' in refused.source
    again = await browser.send(refused.form("/keys"), **{"limits.rate": ""})
    assert again.status == 201
    assert await of_key(api, "wide") == limits_json(own)


@pytest.mark.parametrize("path", ["environments", "accounts"])
async def test_admins_limit_an_environment_or_account(api: AdminApi, path: str) -> None:
    """Nobody else is offered that; an owner's edit leaves the limits as they are."""
    user = await api.account()
    made = user if path == "accounts" else await api.environment({user: Role.OWNER})
    where = f"/{path}/{made.ref}"
    browser = await logged_in(api)
    form = (await browser.get(f"{where}/edit")).form(f"{where}/edit")
    page = await browser.send(form, **{"limits.quota": "5000/month"})
    assert (page.path, "5000/month" in page.text) == (where, True)
    refused = await browser.send(form, **{"limits.quota": "x"})
    assert 'id="error-limits.quota"' in refused.source
    if path == "environments":
        owner = await logged_in(api, await api.key(user))
        page = await owner.get(f"{where}/edit")
        assert "limits." not in page.source
        page = await owner.send(page.form(f"{where}/edit"), name="renamed")
        assert "5000/month" in page.text
    assert 'name="limits.' not in (await browser.get(f"/{path}/new")).source


async def test_the_table_has_a_column_where_some_key_has_limits(api: AdminApi) -> None:
    """In few words. The page of a key has them all."""
    browser = await logged_in(api)
    assert "Limits" not in (await browser.get("/keys")).text
    await api.admin.post("/v2-beta/apikeys", {"name": "n", "limits": LIMITS})
    page = await browser.get("/keys")
    assert '<th class="third">Limits</th>' in page.source
    brief = "100/min, 1000/day, 3 networks, 2 scopes, Mon-Fri 08:00-18:00, not enforced"
    assert f">{brief}</td>" in page.source
    assert '<span class="none">none</span></td>' in page.source
    page = await browser.get("/keys/1c2")
    for text in ("100/min, 20 at once", "2001:db8::1/128", "* /v2/{environment}/x"):
        assert f"<code>{text}</code>" in page.source
    assert "what the limits would refuse passes" in page.text


def meter(page: Page) -> tuple[str, str, str]:
    """(value, maximum, name) of the bar on a page."""
    (found,) = re.findall(r"<meter [^>]*>", page.source)
    given = dict(re.findall(r'([\w-]+)="([^"]*)"', found))
    return given["value"], given["max"], given["aria-label"]


async def test_what_is_left_of_a_quota_is_a_bar_with_its_numbers_beside(api: AdminApi) -> None:
    """On the page of a key, an environment and an account, each of its own quota."""
    environment = await api.environment()
    made = await api.admin.post("/v2-beta/apikeys", {"name": "n", "limits": {"quota": "2000/day"}})
    for path in (f"projects/{environment.ref}", "accounts/1a1"):
        await api.admin.put(f"/v2-beta/{path}", {"limits": {"quota": "10/month"}})
    for ref, quota, spent in (
        (made.body["id"], Quota(2000, Period.DAY), 505),
        (environment.ref, Quota(10, Period.MONTH), 10),
    ):
        await api.store.grant_quotas({ref: QuotaDemand(quota, spent)}, [], api.clock())
    browser = await logged_in(api)
    page = await browser.get("/keys/1c2")
    assert meter(page) == ("1495", "2000", "Left of the quota")
    ends = timestamp(Period.DAY.ends(api.clock()))
    assert f"1,495 of 2,000 (74 %) until {(ends or '')[:16].replace('T', ' ')}" in page.text
    assert meter(await browser.get(f"/environments/{environment.ref}"))[:2] == ("0", "10")
    assert meter(await browser.get("/accounts/1a1"))[:2] == ("10", "10")
    assert "<meter" not in (await browser.get("/keys/1c1")).source


def test_limits_are_the_same_after_a_form_has_had_them() -> None:
    """Whatever they are."""
    for limits in ({}, LIMITS, {"rate": "1/s", "burst": 1}, {"scopes": ["GET /a"]}):
        assert (limits_body(limits_form(limits), new=False) or {}) == limits
    assert limits_body({"name": "n"}, new=False) is None
    assert limits_body(dict.fromkeys(FILLED, " "), new=True) is None
    assert limits_brief({}) == ""
