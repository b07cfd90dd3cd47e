"""The settings about other origins and credentials: what is accepted, and what errors say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.config.cors import UPSTREAM, Cors
from proxy.config.load import load
from proxy.config.model import Config
from proxy.config.source import ConfigError


def read(folder: Path, route: dict[str, Any] | None = None, **settings: Any) -> Config:
    """A configuration with these settings, and with those of one route."""
    file = folder / "wardgate.yaml"
    smallest = {"listen": "127.0.0.1:0", "upstream": "http://127.0.0.1:1"}
    routes = {"routes": [{"path": "/**"} | route]} if route else {}
    file.write_text(json.dumps(smallest | routes | settings))
    return load(file, {})


def faults(folder: Path, route: dict[str, Any] | None = None, **settings: Any) -> str:
    """What is wrong with a configuration."""
    with pytest.raises(ConfigError) as caught:
        read(folder, route, **settings)
    return "\n".join(map(str, caught.value.problems))


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("https://App.example.com", "https://app.example.com"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        ("*", "*"),
    ],
)
def test_an_origin_is_what_browsers_write(tmp_path: Path, written: str, read_as: str) -> None:
    """A scheme, a host, and a port if it is not the scheme's own."""
    (route,) = read(tmp_path, {"cors": {"origins": [written]}}).routes
    assert isinstance(route.cors, Cors)
    assert route.cors.origins == [read_as]


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ("null", "never allowed"),
        ("https://*.example.com", "list each origin"),
        ("https://app.example.com/", "without a path"),
        ("https://app.example.com:443", "leave the default port out"),
        ("http://app.example.com:80", "leave the default port out"),
        ("app.example.com", "scheme://host"),
        ("https://user@app.example.com", "scheme://host"),
        ("https://b\u00fccher.example", "scheme://host"),
        ("https://", "scheme://host"),
        (5, "scheme://host"),
    ],
)
def test_what_no_browser_writes_is_no_origin(tmp_path: Path, origin: object, message: str) -> None:
    """`null` is refused, and so is a part of a name."""
    found = faults(tmp_path, {"cors": {"origins": [origin]}})
    assert "routes[0].cors.origins[0]: " in found
    assert message in found


@pytest.mark.parametrize(
    ("cors", "message"),
    [
        ({}, "cors.origins: is required"),
        ({"origins": []}, "cors.origins: should hold at least one"),
        ({"origins": ["*"], "credentials": True}, "cors.origins: * has no effect while"),
        ({"origins": ["https://a"], "headers": ["*"], "credentials": True}, "cors.headers: *"),
        ({"origins": ["https://a"], "expose": ["*"], "credentials": True}, "cors.expose: *"),
        ({"origins": ["*", "https://a"]}, "should stand alone"),
        ({"origins": ["*"], "headers": ["X Y"]}, "cors.headers[0]: should be the name"),
        ({"origins": ["*"], "methods": ["*"]}, "cors.methods: should list each"),
        ({"origins": ["*"], "methods": ["DELETE"]}, "cors: its methods should be among those"),
        ({"origins": ["*"], "max_age": -1}, "cors.max_age"),
        ({"origins": ["*"], "max_age": 1.5}, "cors.max_age"),
        ({"origins": ["*"], "orgins": []}, "did you mean origins?"),
        ("upsteam", "cors: should be upstream, or a mapping with origins"),
        (True, "cors: "),
    ],
)
def test_a_mistake_in_cors_is_named(tmp_path: Path, cors: object, message: str) -> None:
    """At its place, in one sentence."""
    assert message in faults(tmp_path, {"methods": ["GET", "POST"], "cors": cors})


def test_cors_may_be_up_to_the_upstream(tmp_path: Path) -> None:
    """By default there is none."""
    upstream, none = read(tmp_path, {"cors": "upstream"}), read(tmp_path, {"access": "any"})
    assert upstream.routes[0].cors is UPSTREAM
    assert none.routes[0].cors is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (each, "has a meaning already")
        for each in ("Authorization", "Host", "X-Wardgate-Key", "X-Forwarded-User", "Cookie")
    ]
    + [
        (each, "has a meaning already")
        for each in ("X-Request-Id", "X-Real-IP", "Content-Type", "Origin", "Sec-Fetch-Mode")
    ]
    + [
        (each, "has a meaning already")
        for each in ("Accept", "User-Agent", "If-Match", "Proxy-Authorization", "X-Original-URL")
    ]
    + [(each, "letters, digits and dashes") for each in ("X_API_Key", "", "X Key", "X:Key", 5)],
)
def test_a_header_of_choice_has_no_other_meaning(
    tmp_path: Path, name: object, message: str
) -> None:
    """To HTTP or to the gateway; and no two servers read its name differently."""
    found = faults(tmp_path, credentials=["basic", {"header": name}])
    assert "credentials[1]: " in found
    assert message in found


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        ([], "credentials: should hold at least one"),
        ("bearer", "credentials: should be a"),
        (["digest"], "credentials[0]: should be basic, bearer or {header: NAME}"),
        ([{"header": "X-A", "more": 1}], "credentials[0]: should be basic, bearer or"),
        ([{"header": "X-A"}, {"header": "X-B"}], "credentials: should name one header field"),
    ],
)
def test_a_mistake_in_credentials_is_named(
    tmp_path: Path, credentials: object, message: str
) -> None:
    """For all routes, and for one."""
    assert message in faults(tmp_path, credentials=credentials)
    assert "routes[0]." + message in faults(tmp_path, {"credentials": credentials})
