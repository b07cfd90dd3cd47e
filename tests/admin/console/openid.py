"""What the tests of login with OpenID Connect share: an admin server, and a provider for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from proxy.domain.model import Account
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Browser, Page
from tests.support.openid import FakeProvider, oidc_settings

START, CALLBACK = "/login/oidc", "/login/oidc/callback"


def refreshed(page: Page) -> str:
    """Where a page goes on to by itself."""
    (url,) = re.findall(r'<meta http-equiv="refresh" content="0; url=([^"]*)">', page.source)
    return unescape(url)


@dataclass
class Setup:
    """An admin server with a provider, to which an account's person is known as `ada`."""

    api: AdminApi
    fake: FakeProvider
    folder: Path
    account: Account
    browser: Browser

    def use(self, **settings: Any) -> None:
        """Use these settings in place of those before."""
        self.api.oidc = oidc_settings(self.fake.issuer, self.folder, **settings)

    async def log_in(self) -> Page:
        """Go to the provider, and come back."""
        return await self.browser.get(START)

    def forget(self) -> None:
        """Go on with a browser that has no cookies."""
        self.api.client.session.cookie_jar.clear()
