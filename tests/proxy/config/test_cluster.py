"""The settings of nodes that share a store."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config.cluster import Cluster, Postgres
from proxy.domain.errors import WardgateError


def test_a_node_has_the_name_of_its_host() -> None:
    """Unless it gets another one."""
    assert Cluster().node_name == socket.gethostname()
    assert Cluster(name="gate-1.example").node_name == "gate-1.example"


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"name": ""}, "letters, digits"),
        ({"name": "-a"}, "letters, digits"),
        ({"name": "a/b"}, "letters, digits"),
        ({"name": "a" * 64}, "letters, digits"),
        ({"lease": 4}, "greater than or equal to 5"),
        ({"lease": 3601}, "less than or equal to 3600"),
        ({"lease": 10, "beat": 3}, "at most a quarter of lease"),
        ({"beat": 0}, "greater than or equal to 0.1"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any], cause: str) -> None:
    """With what is expected."""
    with pytest.raises(ValidationError, match=cause):
        Cluster(**settings)


def test_a_password_is_read_from_a_file_that_is_not_for_everybody(tmp_path: Path) -> None:
    """And appears nowhere but where the store is opened. What is in the file later is read then."""
    file = tmp_path / "password"
    file.write_text("sesame\n")
    file.chmod(0o600)
    settings = Postgres(password_file=file)
    access = settings.access
    password = access["password"]
    assert password is not None
    assert (password(), access["ca_file"]) == ("sesame", None)
    assert "sesame" not in repr(settings) + repr(access)
    file.write_text("changed\n")
    assert password() == "changed"
    file.write_text("")
    with pytest.raises(OSError, match=r"postgres\.password_file: the file should hold one line"):
        password()
    with pytest.raises(WardgateError, match=r"postgres\.password_file: the file should hold"):
        _ = settings.access
    file.chmod(0o644)
    with pytest.raises(ValidationError, match="everybody can use this file"):
        Postgres(password_file=file)
    with pytest.raises(ValidationError, match="cannot read this file"):
        Postgres(ca_file=tmp_path / "missing")
