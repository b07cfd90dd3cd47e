"""Login with OpenID Connect at a real provider, which checks what it gets: PKCE, the client's
secret, and that a code is used once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.async_api import async_playwright, expect

from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import NAMED, Browser, Page
from tests.admin.console.openid import refreshed
from tests.harness import running_world
from tests.npm import npm_package
from tests.patience import PATIENCE
from tests.programs import free_port, program, running
from tests.reloading import Reloading
from tests.support.openid import CLIENT_ID, CLIENT_SECRET, oidc_settings

CALLBACK = "/login/oidc/callback"


@contextmanager
def real_provider(folder: Path, origin: str) -> Iterator[str]:
    """The provider for an admin server at `origin`: its issuer, until the context ends."""
    script = npm_package("oidc-provider").parents[1] / "openid-provider.mjs"
    port = free_port()
    (place := folder / "provider").mkdir()
    command = [program("node"), str(script), str(port), CLIENT_ID, CLIENT_SECRET, origin + CALLBACK]
    with running(command, port, place):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def issuer(api: AdminApi, tmp_path: Path) -> Iterator[str]:
    """A provider for the admin server of the test."""
    with real_provider(tmp_path, str(api.client.make_url("")).rstrip("/")) as issuer:
        yield issuer


async def follow(api: AdminApi, page: Page, base: str, **values: str) -> Page:
    """Send the only form of a page of the provider, which is at `base`."""
    (form,) = [each for each in page.forms if each.method == "post"]
    url = urljoin(base, form.action)
    data = form.values | values
    async with api.client.session.post(url, data=data, headers=NAMED) as answer:
        return Page(answer.status, str(answer.url), answer.headers, await answer.text())


async def log_in(api: AdminApi, issuer: str, name: str) -> Page:
    """Log in at the provider, and consent."""
    asked = await Browser(api.client).get("/login/oidc?next=/sessions")
    consent = await follow(api, asked, issuer, login=name, password="any")
    return await follow(api, consent, issuer)


async def test_a_person_logs_in_at_a_real_provider(
    api: AdminApi, issuer: str, tmp_path: Path
) -> None:
    """By an address that only its UserInfo endpoint tells; the code is of no use again."""
    user = await api.account()
    api.oidc = oidc_settings(
        issuer, tmp_path, claim="email", accounts={"ada@example.com": user.ref}
    )
    came_back = await log_in(api, issuer, "ada")
    assert (came_back.status, "Logging in" in came_back.text) == (200, True)
    shown = await Browser(api.client).get(refreshed(came_back))
    assert (shown.path, "ada@example.com" in shown.text) == ("/sessions", True)
    assert [(each["act"], each["identity"]) for each in api.audit()] == [
        ("session.create", "ada@example.com")
    ]
    api.client.session.cookie_jar.clear()
    refused = await log_in(api, issuer, "eve")
    assert refused.status == 403
    assert "“eve@example.com” has no account here" in refused.text


@pytest.mark.parametrize(
    ("wrong", "status", "cause"),
    [
        ("verifier", 400, "token endpoint: status 400, invalid_grant"),
        ("secret", 502, "token endpoint: status 401, invalid_client"),
    ],
)
async def test_a_real_provider_checks_the_verifier_and_the_secret(
    api: AdminApi,
    issuer: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    status: int,
    cause: str,
) -> None:
    """So they are sent as they have to be. What it answers is said in a page and in the log."""
    user = await api.account()
    api.oidc = oidc_settings(issuer, tmp_path, accounts={"ada": user.ref})
    if wrong == "secret":
        (tmp_path / "client-secret").write_text("another")
        api.oidc = api.oidc.reread()
    else:
        challenge = property(lambda _: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        monkeypatch.setattr("admin.oidc.attempts.Attempt.challenge", challenge)
    refused = await log_in(api, issuer, "ada")
    assert (refused.status, "Not logged in" in refused.text) == (status, True)
    assert f"login with OpenID Connect failed: {cause}" in caplog.messages
    assert (await Browser(api.client).get("/keys")).status == 401


async def test_a_login_that_is_cancelled_at_a_real_provider_is_said_to_be(
    api: AdminApi, issuer: str, tmp_path: Path
) -> None:
    """The provider names itself in that answer, too."""
    api.oidc = oidc_settings(issuer, tmp_path)
    asked = await Browser(api.client).get("/login/oidc")
    (cancel,) = [link for link in asked.links if link.endswith("/abort")]
    async with api.client.session.get(urljoin(issuer, cancel), headers=NAMED) as answer:
        text = await answer.text()
    assert (answer.status, answer.url.path) == (403, CALLBACK)
    assert "refused or cancelled" in text


async def test_a_person_logs_in_with_a_real_browser(tmp_path: Path) -> None:
    """The provider is another site, so the cookies' SameSite counts, and the page's policy keeps
    nothing from loading. Without the account in the configuration, the session ends."""
    port = free_port()
    origin = f"http://localhost:{port}"
    with real_provider(tmp_path, origin) as issuer:
        secret = oidc_settings(issuer, tmp_path).client_secret_file
        oidc: dict[str, Any] = {
            "issuer": issuer,
            "client_id": CLIENT_ID,
            "client_secret_file": str(secret),
            "name": "Example ID",
            "accounts": {"ada": "1a2"},
        }
        admin = {"listen": f"127.0.0.1:{port}", "public_url": origin, "oidc": oidc}
        async with running_world(tmp_path, admin=admin) as world, async_playwright() as playwright:
            chromium = await playwright.chromium.launch(
                executable_path=program("chromium"),
                args=[
                    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
                    *("--disable-component-update", "--disable-sync"),
                ],
            )
            context = await chromium.new_context(base_url=origin)
            context.set_default_timeout(PATIENCE * 1000)
            page = await context.new_page()
            printed: list[str] = []
            page.on(
                "console",
                lambda message: printed.append(message.text) if origin in page.url else None,
            )
            await page.goto("/sessions")
            await page.get_by_role("link", name="Log in with Example ID").click()
            await page.get_by_placeholder(re.compile("login", re.I)).fill("ada")
            await page.get_by_placeholder(re.compile("password", re.I)).fill("any")
            await page.get_by_role("button", name=re.compile("sign-in", re.I)).click()
            await page.get_by_role("button", name=re.compile("continue", re.I)).click()
            await expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
            assert page.url == f"{origin}/sessions"
            cookies = {each["name"]: each for each in await context.cookies(origin)}
            assert cookies["wardgate"]["sameSite"] == "Strict"
            assert "wardgate-oidc" not in cookies
            await page.reload()
            await expect(page.get_by_role("cell", name="ada")).to_be_visible()
            await page.go_back()
            assert CALLBACK not in page.url  # which holds the code that has been used
            await page.goto("/sessions")
            await page.goto("/keys/new")
            await page.get_by_label("Name").fill("typed before")
            async with world.store.write() as tx:
                await tx.end_sessions(account=2)
            await page.get_by_role("button", name="Create").click()
            await page.get_by_role("button", name="Log in with Example ID").click()
            await expect(page.get_by_label("Name")).to_have_value("typed before")
            await Reloading(world).set(admin=admin | {"oidc": oidc | {"accounts": {}}})
            await page.reload()
            await expect(page.get_by_role("button", name="Log in")).to_be_visible()
            assert not [text for text in printed if "401" not in text]
            await chromium.close()
