"""Whatever is sent in place of a form gets an answer that says what is wrong."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from admin.api.form import MAX_FIELDS, MAX_SIZE
from tests.admin.admin_api import AdminApi
from tests.admin.api.raw import send
from tests.admin.console.browser import NAMED, logged_in

FORM = "application/x-www-form-urlencoded"


async def post(
    api: AdminApi, path: str, body: bytes, kind: str, *lines: bytes, csrf: bool = True
) -> int:
    """Send a body of some type as a browser that has logged in, and return the status."""
    api.client.session.cookie_jar.clear()
    browser = await logged_in(api)
    (cookie,) = api.client.session.cookie_jar
    token = (await browser.get("/keys")).form("/logout").values["csrf"]
    head = [
        f"POST {path} HTTP/1.1".encode(),
        b"Host: 127.0.0.1",
        b"Connection: close",
        *(f"{name}: {value}".encode() for name, value in NAMED.items()),
        f"Cookie: {cookie.key}={cookie.value}".encode(),
        f"Content-Type: {kind}".encode("latin-1"),
        b"Content-Length: %d" % len(body),
        *([f"X-CSRF-Token: {token}".encode()] if csrf else []),
        *lines,
    ]
    answer = await send(api.client.port or 0, b"\r\n".join([*head, b"", body]))
    return int(answer.split(b" ", 2)[1])


MANY = b"&".join(b"key=1c%d" % number for number in range(MAX_FIELDS))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"back=/keys", FORM, 303),
        (b"back=/keys", f"{FORM}; charset=utf-16", 303),
        (b"back=/keys", f"{FORM}; charset=x", 303),
        (b"back=/keys", f'{FORM}; charset="', 303),
        (b"back=%ff\xff&%zz=\x00&=&&;", FORM, 303),
        (b"back=/keys&back=//evil.example", FORM, 303),
        (b"", "multipart/form-data", 303),
        (b"", FORM, 303),
        (b"--x\r\nContent-Disposition: form-data", "multipart/form-data; boundary=x", 415),
        (b"x", "multipart/form-data", 415),
        (b"{}", "application/json", 415),
        (b"x", "\xff", 415),
        (b"x", "", 415),
        (MANY + b"&back=/keys", FORM, 400),
        (b"back=" + b"x" * (MAX_SIZE - 5), FORM, 303),
        (b"back=" + b"x" * (MAX_SIZE - 4), FORM, 413),
    ],
)
async def test_a_body_is_read_as_a_form_or_refused(
    api: AdminApi, body: bytes, kind: str, status: int
) -> None:
    """As UTF-8, whatever charset it names."""
    assert await post(api, "/environment", body, kind) == status


async def test_a_form_is_sent_with_its_length(api: AdminApi) -> None:
    """As every browser does. Otherwise the largest body that the API takes would be read first."""
    head = [b"POST /login HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close", b"Accept: text/html"]
    head += [f"Content-Type: {FORM}".encode(), b"Transfer-Encoding: chunked", b"", b""]
    answer = await send(api.client.port or 0, b"\r\n".join(head) + b"3\r\na=b\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("token", [b"\xff", b"\xed\xa0\x80", b"x" * 8000, b""])
async def test_a_token_of_any_bytes_is_wrong(api: AdminApi, token: bytes) -> None:
    """In a field, and in a form."""
    line = b"X-CSRF-Token: " + token
    assert await post(api, "/environment", b"", FORM, line, csrf=False) == 403
    assert await post(api, "/environment", b"csrf=" + token, FORM, csrf=False) == 403
    assert await post(api, "/environment", token, "multipart/form-data", csrf=False) == 403


@pytest.mark.parametrize("session", ["", "x", "-1", "²", "9" * 5000, "9" * 19, "1\x00"])
async def test_a_session_that_cannot_be_is_not_found(api: AdminApi, session: str) -> None:
    """Whatever is sent as its number."""
    body = urlencode({"session": session}).encode()
    assert await post(api, "/sessions/end", body, FORM) == 404


@pytest.mark.parametrize("agent", [b"Mozilla \xff \xed\xa0\x80", b"Mozilla " + b"\xc3\xa9" * 3000])
async def test_a_login_notes_any_user_agent(api: AdminApi, agent: bytes) -> None:
    """What is not UTF-8 is replaced, and what is long is cut off."""
    form = {"access": api.admin.key.access_key, "secret": api.admin.secret}
    body = urlencode(form).encode()
    head = [b"POST /login HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close", b"Accept: text/html"]
    head += [b"User-Agent: " + agent, f"Content-Type: {FORM}".encode()]
    head += [b"Content-Length: %d" % len(body), b"", body]
    assert b" 303 " in (await send(api.client.port or 0, b"\r\n".join(head)))[:20]
    noted = api.audit()[-1]["after"]["agent"]
    assert noted.startswith("Mozilla ")
    assert len(noted) <= 255
    assert noted.replace("\N{REPLACEMENT CHARACTER}", "").isprintable()
