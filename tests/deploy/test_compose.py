"""Two gateways over one PostgreSQL store behind HAProxy, with the files of `deploy/compose`: what
their users do, and what becomes of requests while a gateway is killed or stopped.

There is no Docker where the tests run, so they start the programs by themselves. Whether the images
fit is not tested.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.load import load
from tests.deploy.site import COMPOSE, GATES, Api, Client, Site, running_api
from tests.patience import PATIENCE
from tests.programs import program
from tests.support.credentials import Credentials
from tests.support.postgres import server
from tests.support.processes import tries

TEXT = (COMPOSE / "compose.yaml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
HOSTS = "/v1/projects/demo/hosts"


@pytest.fixture
def api() -> Iterator[Api]:
    """The API behind the gateways."""
    with running_api() as api:
        yield api


@pytest.fixture
def site(tmp_path: Path, api: Api) -> Iterator[Site]:
    """Both gateways and HAProxy, which finds them ready."""
    program("haproxy")
    with server() as postgres, ExitStack() as open_:
        yield Site(tmp_path, postgres, api, open_)


def new_key(site: Site) -> tuple[str, Credentials]:
    """(the URL path, the credentials) of a key for a new environment, made through HAProxy."""
    admin = site.client(site.admin, site.admin_port)
    _, made = admin.send("POST", "/v2-beta/projects", {"name": "demo", "slug": "demo"})
    status, key = admin.send("POST", f"/v2-beta/projects/{made['id']}/apikeys", {"name": "k"})
    assert status == 201
    return f"/v2-beta/apikeys/{key['id']}", Credentials.of(key)


def used(site: Site, name: str) -> int:
    """How many requests a gateway has logged."""
    return len(site.log(name))


def await_use(site: Site, name: str, client: Client) -> None:
    """Ask until HAProxy sends a request to a gateway."""
    before = used(site, name)
    for _ in tries():
        assert client.ask(HOSTS) == 200
        if used(site, name) > before:
            return
    pytest.fail(f"{name} gets no requests")


def test_keys_are_made_used_and_revoked_through_haproxy(site: Site) -> None:
    """Whichever gateway answers: both get requests, and a deactivated key is refused by both."""
    path, key = new_key(site)
    client = site.client(key)
    for name in GATES:
        await_use(site, name, client)
    status, _ = site.client(site.admin, site.admin_port).send(
        "POST", f"{path}?action=deactivate", {}
    )
    assert status == 202
    refused = 0
    for _ in tries():
        refused = refused + 1 if client.ask(HOSTS) == 401 else 0
        if refused == 20:  # many more than two gateways
            return
    pytest.fail("the key still works")


def test_the_gateways_know_the_address_of_the_client(site: Site) -> None:
    """Whatever fields it sends: HAProxy tells its address, and the gateways believe HAProxy."""
    _, key = new_key(site)
    client = site.client(key, source="127.0.0.7")
    forged = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.2"}
    assert client.ask(HOSTS, **forged, **{"X-Forwarded-Proto": "https"}) == 200
    for _ in tries():
        if lines := [line for name in GATES for line in site.log(name)]:
            break
    assert [line["client"] for line in lines] == ["127.0.0.7"]


def test_no_request_fails_while_a_gateway_is_killed_and_comes_back(site: Site) -> None:
    """HAProxy sends a GET that got no answer to the other one. (A client asks again where an answer
    that has begun breaks off.)"""
    _, key = new_key(site)
    over = threading.Event()

    def ask_on() -> list[int]:
        client, statuses = site.client(key), list[int]()
        while not over.is_set():
            statuses.append(client.ask(HOSTS))
        return statuses

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask_on) for _ in range(8)]
        try:
            watching = site.client(key)
            for name in GATES:
                await_use(site, name, watching)
                site.processes[name].kill()
                site.processes[name].wait()
                for other in GATES:
                    if other != name:
                        await_use(site, other, watching)
                site.processes[name] = site.start(name)
                await_use(site, name, watching)
        finally:
            over.set()
        statuses = [status for each in asking for status in each.result()]
    assert len(statuses) > 100
    assert set(statuses) == {200}


def test_a_gateway_that_is_stopped_ends_what_it_has_begun(site: Site, api: Api) -> None:
    """It gets no new requests, and exits with 0 once the last answer is sent."""
    _, key = new_key(site)
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(site.client(key).ask, f"{HOSTS}/slow") for _ in range(4)]
        for _ in slow:
            assert api.slow.acquire(timeout=PATIENCE)
        site.processes["gate-1"].terminate()
        client = site.client(key)
        await_use(site, "gate-2", client)
        assert {client.ask(HOSTS) for _ in range(50)} == {200}
        api.go_on.set()
        assert [each.result() for each in slow] == [200] * 4
    assert site.await_end("gate-1") == 0
    answered = {name: [line["path"] for line in site.log(name)] for name in GATES}
    assert f"{HOSTS}/slow" in answered["gate-1"]


def test_haproxy_accepts_the_configuration_as_it_is() -> None:
    """Without a warning."""
    checked = subprocess.run(
        [program("haproxy"), "-c", "-f", str(COMPOSE / "haproxy.cfg")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_confined(service: str) -> None:
    """Every container has a read-only root file system and no privileges to gain, and no secret in
    its environment."""
    settings = SERVICES[service]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    for name in settings.get("environment", {}):
        assert name in {"POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS"}


def test_only_haproxy_is_published_and_to_this_machine_alone() -> None:
    """And the database has no network at all."""
    assert SERVICES["haproxy"]["ports"] == ["127.0.0.1:8080:8080", "127.0.0.1:8081:8081"]
    assert [name for name, settings in SERVICES.items() if "ports" in settings] == ["haproxy"]
    assert SERVICES["postgres"]["network_mode"] == "none"


def test_the_addresses_are_those_of_the_configurations() -> None:
    """HAProxy knows the gateways by their addresses, and they know it."""
    text = (COMPOSE / "haproxy.cfg").read_text()
    for name, address in GATES.items():
        settings = SERVICES[name]
        assert settings["hostname"] == name
        assert settings["networks"]["inside"]["ipv4_address"] == address
        assert f"server {name} {address}:8080 check port 8081" in text
    config = yaml.safe_load((COMPOSE / "wardgate.yaml").read_text())
    address = SERVICES["haproxy"]["networks"]["inside"]["ipv4_address"]
    assert config["trusted_proxies"] == [address]


def test_the_passwords_are_files_that_the_configuration_names() -> None:
    """Each container gets those that it needs."""
    needed = {name: each["secrets"] for name, each in SERVICES.items() if "secrets" in each}
    assert needed == {
        "postgres": ["superuser-password", "wardgate-password"],
        **{name: ["wardgate-password"] for name in ("init", *GATES)},
    }
    config = yaml.safe_load((COMPOSE / "wardgate.yaml").read_text())
    assert config["postgres"]["password_file"] == "/run/secrets/wardgate-password"
    assert "/run/secrets/wardgate-password" in (COMPOSE / "role.sql").read_text()


def test_docker_waits_longer_for_the_end_than_the_gateways_do(tmp_path: Path) -> None:
    """Docker waits longer for a gateway to stop than the gateway does for its requests."""
    text = (COMPOSE / "wardgate.yaml").read_text()
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    text = text.replace("/run/secrets/wardgate-password", str(tmp_path / "password"))
    (tmp_path / "wardgate.yaml").write_text(text)
    drain = load(tmp_path / "wardgate.yaml", {}).limits.drain_timeout
    for name in GATES:
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain
