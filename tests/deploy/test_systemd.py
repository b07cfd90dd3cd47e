"""The service for systemd: what systemd says of its file. Nothing is started by systemd here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.config.model import Limits
from tests.programs import program

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "wardgate.service"
EXPOSURE = 15
"""In tenths, of 100. A service without any of these settings has 96."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    text = UNIT.read_text()
    assert "ExecStart=/opt/wardgate/bin/wardgate " in text
    path = tmp_path / UNIT.name
    path.write_text(text.replace("/opt/wardgate/bin/wardgate", sys.executable))
    return path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze to its end."""
    command = [program("systemd-analyze"), "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_understands_every_line(unit: Path) -> None:
    """An unknown setting would be ignored, and be no protection."""
    checked = analyze("verify", "--man=no", str(unit))
    assert (checked.returncode, checked.stderr) == (0, "")


def test_systemd_understands_the_sockets(unit: Path) -> None:
    """They belong to the service beside them."""
    shutil.copy(UNIT.parent / "wardgate.socket", unit.parent)
    checked = analyze("verify", "--man=no", str(unit.parent / "wardgate.socket"))
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_service_has_hardly_any_rights(unit: Path) -> None:
    """By systemd's own count, which fails where a setting is taken out."""
    command = ("security", "--offline=true", f"--threshold={EXPOSURE}")
    checked = analyze(*command, str(unit))
    assert checked.returncode == 0, checked.stdout
    without = "".join(
        line for line in unit.read_text().splitlines(True) if "NoNewPrivileges" not in line
    )
    unit.write_text(without.replace("PrivateUsers=yes", ""))
    assert analyze(*command, str(unit)).returncode != 0


def test_systemd_waits_longer_for_the_end_than_the_gateway_does() -> None:
    """Else it would cut requests that may still finish."""
    (seconds,) = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", UNIT.read_text())
    assert int(seconds) > Limits().drain_timeout
