"""The settings of traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.tracing import Tracing
from tests.proxy.config.conftest import Complaints, Read

BASE = "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:9000\ntracing:\n"


def text(*lines: str, endpoint: str = "http://127.0.0.1:4318/v1/traces") -> str:
    """A configuration with these lines in the group."""
    return BASE + "".join(f"  {line}\n" for line in (f"endpoint: {endpoint}", *lines))


def settings_of(read: Read, written: str) -> Tracing:
    """The group in a configuration."""
    tracing = read(written).tracing
    assert tracing is not None
    return tracing


def test_an_endpoint_is_enough(read: Read) -> None:
    """One request in a hundred is exported then."""
    tracing = settings_of(read, text())
    assert (tracing.share, tracing.service_name, tracing.authorization) == (0.01, "wardgate", None)


def test_a_file_has_the_authorization(read: Read, tmp_path: Path) -> None:
    """Its only line; the settings do not show it."""
    file = tmp_path / "otlp"
    file.write_text("Bearer hunter2\n")
    tracing = settings_of(read, text(f"authorization_file: {file}"))
    assert tracing.authorization is not None
    assert tracing.authorization.get_secret_value() == "Bearer hunter2"
    assert "hunter2" not in repr(tracing)


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ("share: 1.5", "tracing.share"),
        ("share: -1", "tracing.share"),
        ("share: .nan", "tracing.share"),
        ('share: "0.5"', "tracing.share"),
        ('service_name: ""', "tracing.service_name"),
        ("authorization_file: /nowhere", "tracing.authorization_file"),
        ("protocol: grpc", "tracing.protocol"),
    ],
)
def test_what_makes_no_sense_is_named(complaints: Complaints, line: str, setting: str) -> None:
    """One complaint, at its line."""
    assert [each.split(": ")[1] for each in complaints(text(line))] == [setting]


@pytest.mark.parametrize(
    "endpoint",
    ["127.0.0.1:4318", "grpc://collector:4317", "http://me:secret@collector/", "http://c/?key=1"],
)
def test_an_endpoint_is_a_url_without_secrets(complaints: Complaints, endpoint: str) -> None:
    """A secret has a file of its own."""
    (complaint,) = complaints(text(endpoint=endpoint))
    assert "tracing.endpoint: " in complaint
    assert "secret" not in complaint


def test_a_secret_is_sent_over_tls_or_within_the_machine(
    read: Read, complaints: Complaints, tmp_path: Path
) -> None:
    """Nobody on the way can read it."""
    file = tmp_path / "otlp"
    file.write_text("Bearer hunter2\n")
    line = f"authorization_file: {file}"
    assert settings_of(read, text(line, endpoint="https://collector.example.com/v1/traces"))
    (complaint,) = complaints(text(line, endpoint="http://collector.example.com/v1/traces"))
    assert "tracing.authorization_file: needs an https:// endpoint" in complaint
