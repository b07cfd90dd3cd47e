"""Configurations as text, read as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from proxy.config.load import load
from proxy.config.model import Config
from proxy.config.source import ConfigError

Read: TypeAlias = Callable[..., Config]
Complaints: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a text as a configuration file."""

    def read(text: str, environ: Mapping[str, str] | None = None) -> Config:
        path = tmp_path / "wardgate.yaml"
        path.write_text(text)
        return load(path, environ or {})

    return read


@pytest.fixture
def complaints(read: Read, tmp_path: Path) -> Complaints:
    """All problems in a text, without the folder of the file."""

    def complaints(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, environ)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return complaints
