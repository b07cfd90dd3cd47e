"""Which adapter opens the store that a URL names."""

from __future__ import annotations

from pathlib import Path

from proxy.domain.clock import now_ms
from proxy.store.protocols import Store, StoreError, StoreInUse
from proxy.store.sqlite import backup
from proxy.store.sqlite.lock import holder_of
from proxy.store.sqlite.schema import inspect
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
    if url.startswith("postgresql:"):
        # Of an extra, which may not be installed.
        from proxy.store.postgres.address import parse_address  # noqa: PLC0415
        from proxy.store.postgres.store import PostgresStore  # noqa: PLC0415

        return await PostgresStore.open(parse_address(url), create=create)
    return await SqliteStore.open(sqlite_path(url), create=create, holder=holder)


def inspect_store(url: str) -> None:
    """Find out whether `open_store` could make or open the store, apart from its lock.

    Raises `StoreError`. Changes nothing.
    """
    try:
        inspect(_path(url))
    except OSError as error:
        raise StoreError(f"store {sqlite_path(url)} cannot be used: {error.strerror}") from None


def backup_store(url: str, target: Path) -> None:
    """Write the store at `url`, which may be in use, to a new file. Raises `StoreError`."""
    backup.backup(_path(url), target.absolute())


def restore_store(source: Path, url: str) -> None:
    """Make the store at `url`, which must not exist, of a backup. Raises `StoreError`."""
    backup.restore(source.absolute(), _path(url), now_ms())


def store_exists(url: str) -> bool:
    """Whether the store has been made."""
    return _path(url).exists()


def store_folder(url: str) -> Path:
    """The folder of the store, which is made with it."""
    return _path(url).parent


def store_holder(url: str) -> StoreInUse | None:
    """The error by which `open_store` would name the process that has the store open, or None.

    Raises `StoreError`.
    """
    return holder_of(_path(url))


def _path(url: str) -> Path:
    return Path(sqlite_path(url)).resolve()
