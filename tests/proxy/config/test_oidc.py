"""The settings of login with OpenID Connect."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
import trustme

from proxy.config.oidc import Oidc
from proxy.config.settings import SettingErrors
from proxy.domain.model import Role
from tests.proxy.config.conftest import Complaints, Read

BASE = """\
listen: 127.0.0.1:8080
upstream: http://127.0.0.1:9000
admin:
  listen: 127.0.0.1:8081
  public_url: {url}
  oidc:
    issuer: {issuer}
    client_id: wardgate
    client_secret_file: {file}
"""
SECRET = "hunter2 hunter2"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file with the client's secret."""
    file = tmp_path / "client-secret"
    file.write_text(SECRET + "\n")
    file.chmod(0o640)
    return file


def text(
    file: Path,
    *lines: str,
    url: str = "https://admin.example.com",
    issuer: str = "https://login.example.com/realms/main",
) -> str:
    """A configuration with these lines in the group."""
    more = "".join(f"    {line}\n" for line in lines)
    return BASE.format(url=url, issuer=issuer, file=file) + more


def settings_of(read: Read, written: str) -> Oidc:
    """The group in a configuration."""
    admin = read(written).admin
    assert admin is not None
    assert admin.oidc is not None
    return admin.oidc


def test_the_configuration_in_the_documentation_loads(read: Read, secret_file: Path) -> None:
    """With the entry that gives a person an account."""
    page = (Path(__file__).parents[3] / "docs" / "openid-connect.md").read_text()
    blocks = re.findall(r"^   ```yaml\n(.*?)^   ```$", page, re.MULTILINE | re.DOTALL)
    written = "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:9000\n" + dedent("".join(blocks))
    written = written.replace("/etc/wardgate/oidc-client-secret", str(secret_file))
    settings = settings_of(read, written)
    assert (settings.name, settings.accounts) == ("Example ID", {"24400320": 5})


def test_nobody_has_an_account_by_default(read: Read, secret_file: Path) -> None:
    """What has to be set is where the provider is, and who Wardgate is to it."""
    settings = settings_of(read, text(secret_file))
    assert (settings.accounts, settings.account_names, settings.claim) == ({}, False, "sub")
    assert (settings.role, settings.name) == (Role.OWNER, "OpenID Connect")
    assert settings.scopes == ["openid", "profile", "email"]


def test_the_secret_comes_from_a_file_and_shows_nowhere(read: Read, secret_file: Path) -> None:
    """Neither in the configuration's text nor in that of the setting."""
    settings = settings_of(read, text(secret_file))
    assert settings.client_secret.get_secret_value() == SECRET
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.client_secret)


def test_people_are_accounts_by_the_value_of_a_claim(read: Read, secret_file: Path) -> None:
    """A value may look like a number."""
    lines = ('accounts: {ada@example.com: 1a5, 00123: "1a12"}', "claim: email", "role: member")
    settings = settings_of(read, text(secret_file, *lines))
    assert settings.accounts == {"ada@example.com": 5, "00123": 12}
    assert (settings.claim, settings.role) == ("email", Role.MEMBER)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("accounts: {a: ada}", "accounts.a: should be the id of an account, such as 1a5"),
        ("accounts: {a: 5}", "accounts.a: should be the id of an account, such as 1a5"),
        ("accounts: {a: 1c5}", "accounts.a: should be the id of an account, such as 1a5"),
        ("accounts: [a]", "accounts: should be settings, each as `name: value`"),
        ("role: admin", "role: should be 'owner', 'member', 'restricted' or 'readonly'"),
        ("scopes: [email]", "scopes: should hold openid, which makes it OpenID Connect"),
        ("scopes: openid", "scopes: should be a valid list"),
        ("scopes: [openid email]", "scopes[0]: should be a scope, such as email"),
        ('claim: ""', "claim: String should have at least 1 character"),
        ("client_secret: hunter2", "client_secret: unknown setting; did you mean "),
        ("ca_file: /dev/null", "ca_file: the file holds no certificates"),
        ("ca_file: /nowhere", "ca_file: cannot read this file: No such file or directory"),
    ],
)
def test_a_wrong_setting_is_refused(
    complaints: Complaints, secret_file: Path, line: str, complaint: str
) -> None:
    """The message says what is expected, and does not repeat a value that may be secret."""
    (found,) = complaints(text(secret_file, line))
    assert f"admin.oidc.{complaint}" in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example.com",
        "http://192.0.2.1",
        "http://localhost.example.com",
        "login.example.com",
        "https://",
        "https://user@login.example.com",
        "https://login.example.com/?a=b",
        "https://login.example.com/#a",
        '"https://login.example.com/a b"',
    ],
)
def test_an_issuer_is_an_https_url(complaints: Complaints, secret_file: Path, issuer: str) -> None:
    """Who answers for the provider could log in as anybody."""
    (found,) = complaints(text(secret_file, issuer=issuer))
    assert "admin.oidc.issuer: should " in found


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example.com",
        "https://Login.example.com:8443/Realms/main/",
        "http://localhost:9000",
        "http://127.0.0.1:9000/x",
        "http://[::1]:9000",
    ],
)
def test_an_issuer_is_kept_as_it_is_written(read: Read, secret_file: Path, issuer: str) -> None:
    """The provider has to say the same. Without TLS it is at a loopback address."""
    assert settings_of(read, text(secret_file, issuer=issuer)).issuer == issuer


def test_people_need_a_url_to_come_back_to(complaints: Complaints, secret_file: Path) -> None:
    """One that nobody on the way can answer for."""
    without = text(secret_file).replace("  public_url: https://admin.example.com\n", "")
    assert complaints(without) == [
        "wardgate.yaml:3: admin.public_url: is required with oidc: to it, the provider sends "
        "people back"
    ]
    assert complaints(text(secret_file, url="http://admin.example.com")) == [
        "wardgate.yaml:5: admin.public_url: should be https:// with oidc, unless it is a loopback "
        "address"
    ]


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601, 0o777])
def test_a_secret_that_everybody_can_read_is_refused(
    complaints: Complaints, secret_file: Path, mode: int
) -> None:
    """The message says what to run."""
    secret_file.chmod(mode)
    (found,) = complaints(text(secret_file))
    assert found.startswith("wardgate.yaml:9: admin.oidc.client_secret_file: everybody can use")
    assert "chmod o= " in found


@pytest.mark.parametrize("content", ["", "a\nb", "ä"])
def test_a_secret_is_one_line_of_visible_ascii(
    complaints: Complaints, secret_file: Path, content: str
) -> None:
    """Anything else is refused without being shown."""
    secret_file.write_text(content)
    (found,) = complaints(text(secret_file))
    assert found.endswith("the file should hold one line of visible ASCII characters")


def test_a_missing_secret_is_refused(complaints: Complaints, tmp_path: Path) -> None:
    """With the system's reason."""
    (found,) = complaints(text(tmp_path / "nothing"))
    assert found.endswith("client_secret_file: cannot read this file: No such file or directory")


def test_another_secret_in_the_file_is_noticed(read: Read, secret_file: Path) -> None:
    """So that it is used without a restart; one that cannot be used leaves the other in use."""
    settings = settings_of(read, text(secret_file))
    assert not settings.changed
    secret_file.write_text("another")
    assert settings.changed
    assert settings.reread().client_secret.get_secret_value() == "another"
    secret_file.chmod(0o644)
    with pytest.raises(SettingErrors):
        settings.reread()


def test_the_authorities_of_the_provider_may_be_its_own(
    read: Read, secret_file: Path, tmp_path: Path
) -> None:
    """In place of the system's."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    settings = settings_of(read, text(secret_file, f"ca_file: {tmp_path}/ca.pem"))
    assert len(settings.context.get_ca_certs()) == 1
