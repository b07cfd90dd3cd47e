"""What the project ships besides its code: containers, and the commands to set it up.

There is no Docker where the tests run, so they read what it would be told.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from proxy.__main__ import main
from proxy.config.load import load

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def instructions(name: str) -> list[list[str]]:
    """The arguments of every instruction of that name in the Dockerfile."""
    return [shlex.split(line) for line in re.findall(rf"(?m)^{name} (.*)$", DOCKERFILE)]


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_confined(service: str) -> None:
    """Every container has a read-only root file system and no privileges to gain."""
    settings = SERVICES[service]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in settings
    assert "user" not in settings  # the image's own, which is not root
    assert "environment" not in settings  # where secrets would show


def test_gateway_and_admin_server_are_published_to_this_machine_only() -> None:
    """Gateway and admin server are published to this machine only, and nothing else is
    published."""
    assert SERVICES["wardgate"]["ports"] == ["127.0.0.1:8080:8080", "127.0.0.1:8081:8081"]
    assert [name for name, settings in SERVICES.items() if "ports" in settings] == ["wardgate"]


def test_the_configuration_that_is_mounted_loads() -> None:
    """The configuration that is mounted loads, and fits what is published and mounted."""
    config = load(ROOT / "deploy" / "config.yaml", {})
    assert config.listen[0].port == 8080
    assert config.admin is not None
    assert config.admin.listen[0].port == 8081
    assert str(config.upstreams["default"].url) == "http://sample-api:9000"
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["wardgate"]["volumes"])
    assert mounts["./deploy/config.yaml"] == "/etc/wardgate/config.yaml"
    assert config.store.startswith("sqlite:///" + mounts["store"] + "/")
    assert "store" in COMPOSE["volumes"]


def test_the_first_key_is_made_before_the_gateway_starts() -> None:
    """The gateway starts once `init` has made the first key, into a file and not into a log."""
    needed = SERVICES["wardgate"]["depends_on"]
    assert needed == {"init": {"condition": "service_completed_successfully"}}
    assert SERVICES["init"]["volumes"] == SERVICES["wardgate"]["volumes"]
    command, *options = SERVICES["init"]["command"]
    assert command == "init"
    assert "--save-key=/var/lib/wardgate/admin-key.json" in options
    help_text = CliRunner().invoke(main, ["init", "--help"]).output
    assert all(option.partition("=")[0] in help_text for option in options)


def test_docker_waits_longer_for_the_end_than_the_gateway_does() -> None:
    """Docker waits longer for the gateway to stop than the gateway does for its requests."""
    grace = int(SERVICES["wardgate"]["stop_grace_period"].removesuffix("s"))
    assert grace > load(ROOT / "deploy" / "config.yaml", {}).limits.drain_timeout


def test_the_image_does_not_run_as_root() -> None:
    """The image runs as a user that is a number other than 0."""
    ((user,),) = instructions("USER")
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", user)


def test_everything_that_is_copied_into_the_image_is_there() -> None:
    """What the Dockerfile copies exists, and .dockerignore lets it through."""
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    copies = [args for args in instructions("COPY") if not args[0].startswith("--from=")]
    sources = [source for args in copies for source in args[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in kept


def pins(name: str) -> list[str]:
    """The packages that a list of them pins, each as name==version."""
    lines = (ROOT / name).read_text().splitlines()
    return [line.split(" ")[0] for line in lines if line and line[0] not in "# "]


def test_every_required_package_is_pinned_by_version() -> None:
    """The tested set holds everything that the project requires, by name and version only."""
    pinned = pins("constraints.txt")
    assert all(re.fullmatch(r"[a-z0-9.-]+==[A-Za-z0-9.]+", pin) for pin in pinned)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    required = settings["build-system"]["requires"] + project["dependencies"]
    required += project["optional-dependencies"]["dev"]
    names = {re.split(r"[><=\[ ]", each)[0].lower() for each in required}
    assert names <= {pin.partition("==")[0] for pin in pinned}


def test_the_locks_hold_the_pinned_versions() -> None:
    """Each package is in one of the two locks, at the version of constraints.txt: where this fails,
    `make lock` is to be run."""
    locked = pins("requirements.lock") + pins("requirements-dev.lock")
    assert sorted(locked) == sorted(pins("constraints.txt"))


def test_the_image_can_use_a_postgresql_store() -> None:
    """It has the driver, which is an extra elsewhere, at the version that is tested."""
    (driver,) = pins("requirements-postgres.lock")
    assert driver.startswith("asyncpg==")
    assert driver in pins("requirements-dev.lock")
    assert "-r requirements-postgres.lock" in DOCKERFILE


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-dev.lock", "requirements-postgres.lock"]
)
def test_a_lock_holds_hashes_and_no_address(name: str) -> None:
    """A lock names no index, and each package in it has the hash of at least one file."""
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert len(re.findall(r"(?m)^[a-z].*\\\n    --hash=sha256:[0-9a-f]{64}", text)) == len(
        pins(name)
    )
