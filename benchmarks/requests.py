"""The requests that are measured: 14 header fields with Host, as a browser or an SDK sends."""

from __future__ import annotations

from typing import Final

TARGET: Final = "/v1/projects/e0/x"
FIELDS: Final = {
    "Accept": "application/json, text/plain, */*",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Cache-Control": "no-cache",
    "Content-Type": "application/json",
    "DNT": "1",
    "Origin": "https://console.example.com",
    "Pragma": "no-cache",
    "Referer": "https://console.example.com/projects/e0/instances",
    "Sec-Fetch-Mode": "cors",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "X-Client-Version": "bench/1.0",
}
"""The fields other than Host and Authorization."""


def head(authorization: str = "", target: str = TARGET, **more: str) -> str:
    """The head of a GET request with the usual fields; names in `more` have `_` for `-`."""
    fields = {"Host": "127.0.0.1"} | ({"Authorization": authorization} if authorization else {})
    fields |= FIELDS | {name.replace("_", "-"): value for name, value in more.items()}
    return f"GET {target} HTTP/1.1\r\n{lines(fields)}\r\n"


def bare(method: str, target: str, authorization: str, **more: str) -> str:
    """The head of a request with no fields but Host, Authorization and `more`."""
    fields = {"Host": "127.0.0.1", "Authorization": authorization}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    return f"{method} {target} HTTP/1.1\r\n{lines(fields)}\r\n"


def lines(fields: dict[str, str]) -> str:
    """Field lines, each with its CRLF."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items())
