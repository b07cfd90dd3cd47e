"""A provider for the tests of login with OpenID Connect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Browser
from tests.admin.console.openid import Setup
from tests.support.openid import fake_provider


@pytest.fixture
async def setup(api: AdminApi, tmp_path: Path) -> AsyncIterator[Setup]:
    """The person's account is that of a user."""
    async with fake_provider() as fake:
        here = Setup(api, fake, tmp_path, await api.account(), Browser(api.client))
        here.use(accounts={"ada": here.account.ref})
        yield here
