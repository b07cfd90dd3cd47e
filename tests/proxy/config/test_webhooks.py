"""The settings of webhooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.webhooks import CHOICE, Webhook
from tests.proxy.config.conftest import Complaints, Read

BASE = """\
listen: 127.0.0.1:8080
upstream: http://127.0.0.1:9000
admin:
  listen: 127.0.0.1:8081
  webhooks:
    ops:
      url: {url}
      secret_file: {file}
"""


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file with a secret."""
    file = tmp_path / "webhook-secret"
    file.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    file.chmod(0o640)
    return file


def text(file: Path, *lines: str, url: str = "https://ops.example.com/hook") -> str:
    """A configuration with these lines in the webhook."""
    return BASE.format(url=url, file=file) + "".join(f"      {line}\n" for line in lines)


def hooks(read: Read, written: str) -> list[Webhook]:
    """Those in a configuration."""
    admin = read(written).admin
    assert admin is not None
    return list(admin.webhooks.values())


def test_a_webhook_gets_all_events_by_default(read: Read, secret_file: Path) -> None:
    """Its secret comes from a file, and shows nowhere."""
    (hook,) = hooks(read, text(secret_file))
    assert (hook.events, hook.timeout) == (list(CHOICE), 15)
    assert len(hook.secret.get_secret_value()) == 24
    assert "MfKQ" not in repr(hook)
    assert "whsec" not in repr(hook)


@pytest.mark.parametrize(
    "url",
    [
        "https://h",
        "https://h:8443/a/b?c=d",
        "http://127.0.0.1:9/x",
        "http://[::1]/",
        "http://localhost",
    ],
)
def test_a_url_has_tls_or_stays_on_the_machine(read: Read, secret_file: Path, url: str) -> None:
    """It is used as it is written."""
    assert hooks(read, text(secret_file, url=f'"{url}"'))[0].url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://ops.example.com",
        "ftp://h",
        "https://",
        "https://u:p@h/",
        "https://h/#a",
        "https://h/ a",
    ],
)
def test_another_url_is_refused(complaints: Complaints, secret_file: Path, url: str) -> None:
    """Such as one that others on the way could read."""
    (found,) = complaints(text(secret_file, url=f'"{url}"'))
    assert "admin.webhooks.ops.url: should " in found


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("events: []", "events: should hold at least one"),
        ("events: [key.born]", "events[0]: should be one of key.expiring, key.rotated"),
        ("events: [webhook.test]", "events[0]: should be one of"),
        ("timeout: 31", "timeout: should be less than or equal to 30"),
        ("timeout: 0", "timeout: should be greater than or equal to 1"),
        ("ca_file: /dev/null", "ca_file: the file holds no certificates"),
        ("secret: whsec_MfKQ", "secret: unknown setting; did you mean secret_file?"),
    ],
)
def test_a_wrong_setting_is_refused(
    complaints: Complaints, secret_file: Path, line: str, complaint: str
) -> None:
    """The message says what is expected, and repeats no secret."""
    (found,) = complaints(text(secret_file, line))
    assert f"admin.webhooks.ops.{complaint}" in found
    assert "MfKQ" not in found


@pytest.mark.parametrize(
    "content",
    [
        "",
        "secret",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_AAAA",
        "whsec_!",
        "whsec_" + "A" * 88,
    ],
)
def test_a_file_without_a_secret_of_standard_webhooks_is_refused(
    complaints: Complaints, secret_file: Path, content: str
) -> None:
    """whsec_, and the base64 of 24 to 64 bytes."""
    secret_file.write_text(content)
    (found,) = complaints(text(secret_file))
    assert "admin.webhooks.ops.secret_file: the file should hold " in found


def test_a_file_that_everybody_can_read_is_refused(
    complaints: Complaints, secret_file: Path
) -> None:
    """The message has the command that repairs it."""
    secret_file.chmod(0o644)
    (found,) = complaints(text(secret_file))
    assert "everybody can use this file, which holds a secret: run `chmod o= " in found


@pytest.mark.parametrize("name", ["Ops", "a b", "ä", "x" * 41])
def test_a_name_is_a_plain_word(complaints: Complaints, secret_file: Path, name: str) -> None:
    """It stands in lists, and in options of the command line."""
    (found,) = complaints(text(secret_file).replace("    ops:", f"    {name}:"))
    assert "the name of a webhook holds up to 40 small letters, digits, _ and -" in found


@pytest.mark.parametrize("days", ["[]", "[0]", "[366]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]", "7"])
def test_the_days_before_an_expiry_are_a_short_list(
    complaints: Complaints, secret_file: Path, days: str
) -> None:
    """Of 1 to 365 each."""
    (found,) = complaints(text(secret_file) + f"  expiring_days: {days}\n")
    assert "admin.expiring_days" in found
