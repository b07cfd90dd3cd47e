"""The pictures for the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from tests.browser.screenshots import FOLDER, PICTURES, take_pictures

README = FOLDER.parents[1] / "README.md"


def test_pictures_are_small(tmp_path: Path) -> None:
    """Light and dark, of a company in use."""
    files = take_pictures(tmp_path, ["keys"])
    assert [file.name for file in files] == ["keys-light.png", "keys-dark.png"]
    for file in files:
        assert file.read_bytes().startswith(b"\x89PNG")
        assert 20_000 < file.stat().st_size < 120_000


def test_the_command_takes_the_pictures_of_the_documentation() -> None:
    """In both schemes of colours."""
    taken = {f"{name}-{scheme}.png" for name in PICTURES for scheme in ("light", "dark")}
    texts = [README.read_text(), *(file.read_text() for file in FOLDER.parent.glob("*.md"))]
    assert {name for text in texts for name in re.findall(r"\bimages/(\S+?\.png)", text)} <= taken
