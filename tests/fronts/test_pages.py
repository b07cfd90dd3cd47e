"""The pages on proxies in the docs: what each says of Wardgate loads, and says what it has to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from proxy.config.load import load
from tests.fronts.fronts import DOCS

PAGES = sorted(DOCS.glob("*.md"))
SMALLEST = "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:9000\n"
IDENTITY = ("X-Wardgate-Key", "X-Wardgate-Account", "X-Wardgate-Environment", "X-Wardgate-Role")


def blocks(page: Path, language: str = r"\w+") -> list[str]:
    """The blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_settings_on_a_page_load(page: Path, tmp_path: Path) -> None:
    """They come first; the configuration of the proxy follows."""
    path = tmp_path / "wardgate.yaml"
    path.write_text(SMALLEST + blocks(page)[0])
    settings = load(path, {}).forward_auth
    assert settings is not None
    assert f"`{settings.fields}`" in (DOCS.parent / "forward-auth.md").read_text()


def test_the_settings_on_the_first_page_load(tmp_path: Path) -> None:
    """It shows a whole configuration."""
    path = tmp_path / "wardgate.yaml"
    path.write_text(blocks(DOCS.parent / "forward-auth.md", "yaml")[0])
    assert load(path, {}).forward_auth is not None


def test_traefik_replaces_every_field_of_the_identity() -> None:
    """In every spelling, as its `forwardAuth` does with a regular expression; and it trusts none of
    its client's fields."""
    traefik = yaml.safe_load(blocks(DOCS / "traefik.md", "yaml")[1])["http"]
    order = traefik["routers"]["api"]["middlewares"]
    settings = traefik["middlewares"]["wardgate"]["forwardAuth"]
    expression = re.compile(settings["authResponseHeadersRegex"])
    assert settings["trustForwardHeader"] is False
    for name in IDENTITY:
        assert expression.search(name)
        assert expression.search(name.replace("-", "_").capitalize())
    removed = traefik["middlewares"]["not-for-the-api"]["headers"]["customRequestHeaders"]
    assert removed["Authorization"] == ""
    assert order.index("wardgate") < order.index("not-for-the-api")


def test_envoy_asks_with_the_client_and_without_a_prefix() -> None:
    """And refuses what it cannot ask about."""
    envoy = yaml.safe_load(blocks(DOCS / "envoy.md", "yaml")[1])
    settings = envoy["http_filters"][0]["typed_config"]
    named = {each.get("exact") for each in settings["allowed_headers"]["patterns"]}
    assert envoy["use_remote_address"] is True
    assert "x-forwarded-for" in named
    assert settings["failure_mode_allow"] is False
    assert "path_prefix" not in settings["http_service"]
    (host,) = envoy["route_config"]["virtual_hosts"]
    assert "authorization" in host["request_headers_to_remove"]
