"""Real proxies that ask the gateway by forward-auth, configured as their pages in the docs say."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from tests.fronts.cases import ROUTES, keys
from tests.harness import Pair, World, running_world
from tests.programs import free_port, program, running

DOCS: Final = Path(__file__).parents[2] / "docs" / "forward-auth"
FRONT, ASKED, API = ":8000", "127.0.0.1:8082", "127.0.0.1:9000"
"""In the docs: the port of the proxy, the addresses of the forward-auth listener and the API."""

Start: TypeAlias = Callable[[str, int, Path], AbstractContextManager[object]]
"""Runs a proxy with a configuration, which listens on a port, in a folder."""


def block(page: str, language: str) -> str:
    """The only block in a language of a page of the docs."""
    text = (DOCS / f"{page}.md").read_text()
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found)


@contextmanager
def nginx(text: str, port: int, folder: Path) -> Iterator[None]:
    """nginx, with the page's configuration in its http block."""
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid nginx.pid; error_log error.log crit; {user}\n"
        "events { }\nhttp { access_log off; client_body_temp_path b; proxy_temp_path p;\n"
        f"fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n{text}}}\n"
    )
    command = [program("nginx"), "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]
    with running(command, port, folder):
        yield


@contextmanager
def caddy(text: str, port: int, folder: Path) -> Iterator[None]:
    """Caddy, with the page's Caddyfile."""
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
    with running(command, port, folder, {"HOME": str(folder)}):
        yield


@contextmanager
def haproxy(text: str, port: int, folder: Path) -> Iterator[None]:
    """HAProxy, with the page's configuration and the script that it loads."""
    installed, script = "/etc/haproxy/wardgate.lua", "deploy/haproxy/wardgate.lua"
    assert installed in text
    (folder / "haproxy.cfg").write_text(text.replace(installed, str(DOCS.parents[1] / script)))
    with running([program("haproxy"), "-db", "-f", "haproxy.cfg"], port, folder):
        yield


STARTS: Final[dict[str, tuple[str, Start]]] = {
    "nginx": ("nginx", nginx),
    "caddy": ("caddyfile", caddy),
    "haproxy": ("haproxy", haproxy),
}
"""By the name of its page: the language of its configuration, and how it is started."""


@dataclass
class Front:
    """A running proxy in front of the API, and the gateway that it asks."""

    name: str
    world: World
    port: int
    pairs: dict[str, Pair]

    async def send(self, raw: bytes) -> bytes:
        """The answer of the proxy."""
        return await self.world.send(raw, port=self.port)

    def arrived(self) -> list[bytes]:
        """What has reached the API since the last time."""
        requests = list(self.world.upstream.requests)
        self.world.upstream.forget()
        return requests


@asynccontextmanager
async def running_front(
    name: str, folder: Path, change: Callable[[str], str] = lambda text: text
) -> AsyncIterator[Front]:
    """The proxy of a page, with the settings of Wardgate that the page shows, and the proxy's own
    changed by `change`."""
    language, start = STARTS[name]
    settings: dict[str, Any] = yaml.safe_load(block(name, "yaml"))
    assert settings["forward_auth"].pop("listen") == ASKED
    settings["forward_auth"]["listen"] = "127.0.0.1:0"
    (home := folder / name).mkdir()
    async with running_world(folder, routes=ROUTES, **settings) as world:
        port, asked = free_port(), world.node.gateway.forward_auth_urls[0]
        page = block(name, language)
        text = change(page)
        for shown, used in (
            (FRONT, f":{port}"),
            (ASKED, asked.removeprefix("http://")),
            (API, f"127.0.0.1:{world.upstream.port}"),
        ):
            assert shown in page
            text = text.replace(shown, used)
        with start(text, port, home):
            yield Front(name, world, port, await keys(world))
