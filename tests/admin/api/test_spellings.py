"""Paths of the admin API in other letters: they are the paths of nothing."""

from __future__ import annotations

import pytest

from tests.admin.admin_api import AdminApi


@pytest.mark.parametrize(
    "path",
    [
        "/v2-beta/project%C5%BF",
        "/v2-beta/PROJECT%C5%BF/1a3",
        "/v2-beta/ap%C4%B1keys",
        "/v2-beta/ap%C4%B0keys",
        "/v2-beta/api%E2%84%AAeys",
        "/v2-beta/%EF%BD%90rojects",
        "/v2-beta/%C5%BFchemas",
        "/v2-beta/%C5%BFettings",
        "/v2-beta/schemas/api%E2%84%AAey",
        "/v2-beta/schemas/setting%C5%BF",
        "/v2-beta/accounts/1a%D9%A1",
        "/v2-beta/accounts/%EF%BC%91a1",
        "/v2-beta/projects/1a%D9%A1/apikeys",
        "/%EF%BD%962-beta/projects",
    ],
)
async def test_letters_and_digits_are_those_of_ascii(api: AdminApi, path: str) -> None:
    """Neither Unicode's case folding nor its digits nor its compatibility forms lead to a
    resource."""
    assert (await api.admin.get(path)).status == 404
    assert (await api.admin.get("/v2-beta/PROJECTS")).status == 200
