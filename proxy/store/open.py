"""Which adapter opens the store that a URL names."""

from __future__ import annotations

from proxy.store.protocols import Store, StoreError
from proxy.store.sqlite.store import SqliteStore


def sqlite_path(url: str) -> str:
    """The file that `sqlite:///relative` or `sqlite:////absolute` names. Raises `StoreError`."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or not url[len(prefix) :]:
        raise StoreError(
            f"store {url!r}: expected sqlite:///relative/path or sqlite:////absolute/path"
        )
    return url[len(prefix) :]


async def open_store(url: str, *, create: bool = False, holder: str = "wardgate") -> Store:
    """Open the store at `url` and hold its lock until it is closed. Raises `StoreError`.

    With `create` the store is made if it does not exist. A store of an older schema is migrated in
    any case. `holder` names this process in the error of another one that finds the lock taken.
    """
    return await SqliteStore.open(sqlite_path(url), create=create, holder=holder)
