"""Initialising a store: what is created, what is saved where, and what is refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from admin.service.first_admin import AdminExists
from proxy.config.load import load
from proxy.config.model import Config
from proxy.domain.errors import WardgateError
from proxy.init_store import PresetKey, initialise


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The smallest configuration, with a store that does not exist yet."""
    tmp_path.chmod(0o700)
    path = tmp_path / "wardgate.yaml"
    path.write_text(
        "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:9000\nbcrypt_rounds: 4\n"
        f"store: sqlite:///{tmp_path}/wardgate.db\nadmin: {{listen: 127.0.0.1:8081}}\n"
    )
    return load(path, {})


def test_the_first_key_has_links_and_an_endpoint_from_the_configuration(config: Config) -> None:
    """Its links are of the admin server, its endpoint is of the gateway, and it works."""
    first = initialise(config, preset=PresetKey())
    assert first is not None
    assert first.resource["links"]["self"].startswith("http://127.0.0.1:8081/v2-beta/")
    assert first.resource["endpoint"] == "http://127.0.0.1:8080"
    assert first.resource["refusal"] is None
    assert json.loads(first.as_json())["secretValue"] == first.secret_key


def test_a_second_admin_key_is_created_only_to_recover(config: Config) -> None:
    """Otherwise a second time is an error, or does nothing with `if_needed`."""
    first = initialise(config, preset=PresetKey(), if_needed=True)
    assert first is not None
    with pytest.raises(AdminExists):
        initialise(config, preset=PresetKey())
    assert initialise(config, preset=PresetKey(), if_needed=True) is None
    again = initialise(config, preset=PresetKey(), recover=True)
    assert again is not None
    assert again.access_key != first.access_key


def test_a_saved_key_is_complete_and_only_its_owner_can_read_it(
    config: Config, tmp_path: Path
) -> None:
    """The file ends in one line feed and has mode 0600."""
    path = tmp_path / "key.json"
    first = initialise(config, preset=PresetKey(), save_key=path)
    assert first is not None
    assert path.read_text() == first.as_json() + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_created_if_the_key_cannot_be_saved(config: Config, tmp_path: Path) -> None:
    """An existing file is never overwritten, nor is a dangling link followed."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "wardgate.yaml", link, tmp_path / "none" / "key.json"):
        with pytest.raises(WardgateError, match=str(path)):
            initialise(config, preset=PresetKey(), save_key=path)
    assert not (tmp_path / "wardgate.db").exists()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("access_key", "secret_key", "message"),
    [
        (b"first.admin", b"tooshort", "^secret key: "),
        (b"first.admin", b"with a space in the middle", "^secret key: "),
        (b"first.admin", b"two\nlines-long-enough-for-one", "^secret key: "),
        (b"first.admin", b"long-enough-but-not-ASCII-\xff", "^secret key: "),
        (b"first.admin", b"x" * 73, "^secret key: "),
        (b"first.admin", b"", "^secret key: "),
        (b"first:admin", b"long-enough-for-a-secret", "^access key: "),
        (b"first\xffadmin", b"long-enough-for-a-secret", "^access key: "),
        (b"", b"long-enough-for-a-secret", "^access key: "),
    ],
)
def test_an_unfit_preset_key_is_refused_without_being_repeated(
    config: Config, tmp_path: Path, access_key: bytes, secret_key: bytes, message: str
) -> None:
    """And no key is saved."""
    access_file, secret_file = tmp_path / "access", tmp_path / "secret"
    access_file.write_bytes(access_key + b"\n")
    secret_file.write_bytes(secret_key + b"\n")
    with pytest.raises(WardgateError, match=message) as raised:
        initialise(
            config, preset=PresetKey.read(access_file, secret_file), save_key=tmp_path / "key.json"
        )
    if secret_key:
        assert secret_key.decode("latin-1") not in str(raised.value)
    assert not (tmp_path / "key.json").exists()


def test_white_space_around_a_preset_key_is_ignored(config: Config, tmp_path: Path) -> None:
    """Because editors and `echo` add line feeds."""
    access_file, secret_file = tmp_path / "access", tmp_path / "secret"
    access_file.write_text("first.admin\n")
    secret_file.write_text("long-enough-for-a-secret\r\n")
    first = initialise(config, preset=PresetKey.read(access_file, secret_file))
    assert first is not None
    assert (first.access_key, first.secret_key) == ("first.admin", "long-enough-for-a-secret")


def test_an_unreadable_file_of_a_preset_key_is_named(tmp_path: Path) -> None:
    """Whichever of the two it is."""
    there, none = tmp_path / "there", tmp_path / "none"
    there.write_text("something")
    for pair in ((there, none), (none, there)):
        with pytest.raises(WardgateError, match=f"^cannot read {none}: No such file"):
            PresetKey.read(*pair)
