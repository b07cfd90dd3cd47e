"""The host that a request to the admin server names, and the site that sent it."""

from __future__ import annotations

import re

import pytest

from tests.admin.admin_api import AdminApi


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:99", "admin.example", "Admin.Example:1"])
async def test_links_use_the_host_of_the_request(api: AdminApi, host: str) -> None:
    """It is one of the admin server's names, with any port."""
    answer = await api.admin.get("/v2-beta", headers={"Host": host})
    assert answer.body["links"]["self"] == f"http://{host.lower()}/v2-beta"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost", "[::1]"])
async def test_a_request_for_another_host_is_refused(api: AdminApi, host: str) -> None:
    """So no page can rebind its own name to the admin server."""
    answer = await api.admin.get("/v2-beta", headers={"Host": host})
    assert answer.code == "421 MisdirectedRequest"


@pytest.mark.parametrize("host", ["", "a b", "127.0.0.1/x", "127.0.0.1:99999999", 'x"y'])
async def test_a_malformed_host_gets_into_no_link(api: AdminApi, host: str) -> None:
    """What is no host name gets into no link."""
    answer = await api.admin.get("/v2-beta", headers={"Host": host})
    assert answer.status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://admin.example"},
        {"Origin": "http://admin.example:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://admin.example", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_change_sent_by_a_page_of_another_site_is_refused(
    api: AdminApi, headers: dict[str, str]
) -> None:
    """Reading is not."""
    headers = headers | {"Host": "admin.example"}
    answer = await api.admin.post("/v2-beta/apikeys", {}, headers=headers)
    assert answer.code == "403 CrossSite"
    assert (await api.admin.get("/v2-beta/apikeys", headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://admin.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_change_sent_by_a_page_of_the_admin_server_is_taken(
    api: AdminApi, headers: dict[str, str]
) -> None:
    """So is one that no page sent."""
    headers = headers | {"Host": "admin.example"}
    assert (await api.admin.post("/v2-beta/apikeys", {}, headers=headers)).status == 201


@pytest.mark.parametrize("public_url", ["https://keys.example"])
@pytest.mark.parametrize("host", ["127.0.0.1:8081", "admin.example", "keys.example"])
async def test_links_begin_with_the_public_url_where_there_is_one(api: AdminApi, host: str) -> None:
    """Whatever Host a proxy sends, in every answer and in `X-API-Schemas`."""
    for path in ("", "/apikeys?limit=1", "/schemas", "/apikeys/1c1", "/projects/1a99"):
        answer = await api.admin.get(f"/v2-beta{path}", headers={"Host": host})
        assert answer.headers["X-API-Schemas"].startswith("https://keys.example/v2-beta/")
        links = re.findall(r'"(https?://[^"/]*)/v2-beta', answer.text)
        assert set(links) <= {"https://keys.example"}
        assert links or answer.status == 404


@pytest.mark.parametrize("public_url", ["https://keys.example"])
async def test_a_page_under_the_public_url_may_send_changes(api: AdminApi) -> None:
    """So may a page under the host that was requested, and no other."""
    for origin, status in (
        ("https://keys.example", 201),
        ("http://admin.example", 201),
        ("http://keys.example", 403),
        ("https://admin.example", 403),
    ):
        headers = {"Host": "admin.example", "Origin": origin}
        assert (await api.admin.post("/v2-beta/apikeys", {}, headers=headers)).status == status


@pytest.mark.parametrize("public_url", ["https://keys.example"])
async def test_a_public_url_opens_no_other_host(api: AdminApi) -> None:
    """A name that rebinds to the admin server stays refused."""
    answer = await api.admin.get("/v2-beta", headers={"Host": "evil.example"})
    assert answer.code == "421 MisdirectedRequest"
