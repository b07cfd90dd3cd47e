"""Which store a URL names."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.store.open import open_store, sqlite_path
from proxy.store.protocols import StoreError


@pytest.mark.parametrize(
    "url", ["", "wardgate.db", "sqlite://", "sqlite:///", "mysql://h/db", "SQLITE:///x"]
)
async def test_a_url_that_names_no_store_is_refused_with_the_forms_that_do(url: str) -> None:
    """The message shows the relative and the absolute form."""
    with pytest.raises(StoreError, match="sqlite:///relative/path or sqlite:////absolute/path"):
        await open_store(url, create=True)


async def test_three_slashes_are_relative_and_four_are_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///a/x.db", f"sqlite:///{tmp_path}/b/x.db"):
        store = await open_store(url, create=True)
        await store.close()
    assert (tmp_path / "a" / "x.db").exists()
    assert (tmp_path / "b" / "x.db").exists()


def test_a_url_of_an_unknown_kind_is_shown_without_its_password() -> None:
    """It may be that of a database, with a password in it."""
    with pytest.raises(
        StoreError, match=r"store 'postgres://u:…@db/w': expected sqlite:///"
    ) as told:
        sqlite_path("postgres://u:sesame@db/w")
    assert "sesame" not in str(told.value)
