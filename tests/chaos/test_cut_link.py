"""The cable between one of two nodes and PostgreSQL is pulled: packets vanish, and connections stay
half open."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.chaos.site import PATH, eventually, socket_of
from tests.chaos.test_faults import BOUND
from tests.installation import CONFIG, Installation
from tests.patience import PATIENCE
from tests.programs import WARDGATE, free_port, need_namespaces, program, running, sample_api
from tests.support.credentials import Credentials
from tests.support.in_tls import in_tls
from tests.support.network import Link, network
from tests.support.postgres import server
from tests.test_several_nodes import Site

REFUSED = ("not permitted", "not supported", "Unknown device type")
"""What `ip` says of a machine whose kernel or container has no links of that kind. Anything else
that it says is a fault of the test."""


@pytest.fixture
def cables() -> Iterator[tuple[str, Link, Link]]:
    """(a network, its link to the store, its link to clients and the upstream)."""
    need_namespaces()
    program("ip")
    with ExitStack() as open_:
        try:
            name = open_.enter_context(network())
            links = Link(name, "store"), Link(name, "front")
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode()
            if not any(each in said for each in REFUSED):
                raise
            pytest.skip(f"NOT TESTED: no network can be made here: {said}")
        for each in links:
            open_.callback(each.mend)
        yield name, *links


async def test_a_node_behind_a_cut_link_permits_nothing_past_its_lease(
    tmp_path: Path, cables: tuple[str, Link, Link]
) -> None:
    """A key that was revoked elsewhere works there no longer than the lease; the node comes back by
    itself. The store is reached through TLS, as on any other machine."""
    name, to_store, front = cables
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with server() as postgres, ExitStack() as open_:
        connect = partial(asyncio.open_unix_connection, str(socket_of(postgres)))
        certificate = authority.issue_cert(to_store.here)
        async with in_tls(certificate, to_store.here, connect) as port:
            upstream, gateway = free_port(), free_port()
            url = postgres.new_url()
            settings: dict[str, Any] = {"store": url, "cluster": Site.node("a")}
            here = await asyncio.to_thread(Installation, tmp_path, upstream, **settings)
            config = json.loads((tmp_path / CONFIG).read_text())
            database = url.removeprefix("postgresql://postgres@/").partition("?")[0]
            config |= {
                "listen": f"{front.there}:{gateway}",
                "upstream": f"http://{front.here}:{upstream}",
                "store": f"postgresql://postgres@{to_store.here}:{port}/{database}",
                "postgres": {"ca_file": "ca.pem"},
                "cluster": Site.node("b"),
                "access_log": "b.log",
            }
            (tmp_path / "b.yaml").write_text(json.dumps(config))
            api = [*sample_api(upstream)[:-1], f"0.0.0.0:{upstream}"]
            open_.enter_context(running(api, upstream, tmp_path))
            open_.enter_context(here.serving())
            inside = ["ip", "netns", "exec", name, *WARDGATE, "serve", "-c", "b.yaml"]
            b = open_.enter_context(started(inside, tmp_path))

            async def ask(key: Credentials) -> int:
                shown = ("-o", os.devnull, "-w", "%{http_code}")
                where = f"http://{front.there}:{gateway}{PATH}"
                return int(await asyncio.to_thread(here.curl, *shown, "-u", key.pair, where))

            await listens(front.there, gateway)

            number, key = await asyncio.to_thread(here.new_key)
            await eventually(partial(ask, key), 200, 401)
            to_store.cut()
            deactivate = (f"/apikeys/{number}?action=deactivate", "-X", "POST")
            await asyncio.to_thread(here.call, *deactivate)
            revoked = last = time.monotonic()
            while (asked := time.monotonic()) < revoked + BOUND + 1:
                answer = await ask(key)
                assert answer in {200, 503}
                last = asked if answer == 200 else last
            assert answer == 503
            assert last < revoked + BOUND
            to_store.mend()
            await eventually(partial(ask, key), 401, 503)
            await eventually(partial(ask, here.admin), 200, 503)
            b.terminate()
            assert await asyncio.to_thread(b.wait, PATIENCE) == 0


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process, of which nothing is left behind, whatever failed."""
    with (folder / "b.err").open("ab") as err:
        process = subprocess.Popen(command, cwd=folder, stdout=err, stderr=err)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def listens(host: str, port: int) -> None:
    """Wait until somebody does."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                return
            await asyncio.sleep(0.05)
