"""Which adapter opens the store that a URL names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.domain.clock import now_ms
from proxy.store.copying.database import Place
from proxy.store.copying.sqlite import SqlitePlace
from proxy.store.protocols import Store, StoreError, StoreInUse
from proxy.store.sqlite import backup
from proxy.store.sqlite import store as sqlite_store
from proxy.store.sqlite.lock import holder_of
from proxy.store.sqlite.schema import inspect
from proxy.store.sqlite.schema import store_status as sqlite_status
from proxy.store.state import StoreState
from proxy.store.url import Password, shown

if TYPE_CHECKING:
    from proxy.store.postgres.address import Address


def sqlite_path(url: str) -> str:
    """The file that `sqlite:///relative` or `sqlite:////absolute` names. Raises `StoreError`."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or not url[len(prefix) :]:
        raise StoreError(
            f"store {shown(url)}: expected sqlite:///relative/path or sqlite:////absolute/path"
        )
    return url[len(prefix) :]


async def open_store(
    url: str,
    *,
    create: bool = False,
    holder: str = "wardgate",
    password: Password = None,
    ca_file: str | None = None,
    lock: int | None = None,
) -> Store:
    """Open the store at `url`. Raises `StoreError`.

    SQLite's is locked until it is closed. PostgreSQL's is opened with `password`, and with the
    certificates in `ca_file` in place of the system's.

    With `create` the store is made if it does not exist. A store of an older schema is migrated in
    any case where it is SQLite's. `holder` names this process in the error of another one that
    finds the lock taken; with `lock`, it has the lock already, by this handle (`take_lock`).
    """
    if is_shared(url):
        from proxy.store.postgres.store import PostgresStore  # noqa: PLC0415 - as in `_address`

        return await PostgresStore.open(_address(url, password, ca_file), create=create)
    return await sqlite_store.SqliteStore.open(
        sqlite_path(url), create=create, holder=holder, lock=lock
    )


async def store_status(
    url: str, *, password: Password = None, ca_file: str | None = None
) -> StoreState:
    """What the store at `url` says of itself, whichever its schema, also while it is in use. Raises
    `StoreError`."""
    if is_shared(url):
        from proxy.store.postgres import upgrade  # noqa: PLC0415 - as in `_address`

        return await upgrade.store_status(_address(url, password, ca_file))
    return sqlite_status(_path(url))


async def migrate_store(
    url: str, *, password: Password = None, ca_file: str | None = None
) -> tuple[int, int]:
    """Bring the store at `url` to the newest schema that this program knows. Returns the numbers of
    the schema before and after. Raises `StoreError`."""
    if is_shared(url):
        from proxy.store.postgres import upgrade  # noqa: PLC0415 - as in `_address`

        return await upgrade.migrate_store(_address(url, password, ca_file))
    before = sqlite_status(_path(url)).schema
    await (await open_store(url, holder="wardgate store migrate")).close()
    return before, sqlite_status(_path(url)).schema


async def finish_upgrade(
    url: str,
    *,
    password: Password = None,
    ca_file: str | None = None,
    waiting: Callable[[str, float], None] = lambda *_: None,
) -> tuple[int, int]:
    """Have no program use the store at `url` any more that does not know its schema. Returns the
    numbers of the schema that a program had to know before, and has to know now. `waiting` is
    called with the name of each node of an older one that may be alive, and the seconds that it
    takes to find out. Raises `StoreError`."""
    if not is_shared(url):
        raise StoreError(f"store {sqlite_path(url)}: one process uses it, so nothing is unfinished")
    from proxy.store.postgres import upgrade  # noqa: PLC0415 - as in `_address`

    return await upgrade.finish_upgrade(_address(url, password, ca_file), waiting=waiting)


def inspect_store(url: str) -> None:
    """Find out whether `open_store` could make or open the store, apart from its lock.

    Raises `StoreError`. Changes nothing. No connection to PostgreSQL is made.
    """
    if is_shared(url):
        _address(url, None, None)
        return
    try:
        inspect(_path(url))
    except OSError as error:
        raise StoreError(f"store {sqlite_path(url)} cannot be used: {error.strerror}") from None


def backup_store(url: str, target: Path) -> None:
    """Write the store at `url`, which may be in use, to a new file. Raises `StoreError`."""
    _require_file(url)
    backup.backup(_path(url), target.absolute())


def restore_store(source: Path, url: str) -> None:
    """Make the store at `url`, which must not exist, of a backup. Raises `StoreError`."""
    _require_file(url)
    backup.restore(source.absolute(), _path(url), now_ms())


def place_of(url: str, *, password: Password = None, ca_file: str | None = None) -> Place:
    """Where the store at `url` is or will be, to copy it from there or to there. Raises
    `StoreError`."""
    if is_shared(url):
        address = _address(url, password, ca_file)
        from proxy.store.copying.postgres import PostgresPlace  # noqa: PLC0415 - as in `_address`

        return PostgresPlace(address)
    return SqlitePlace(_path(url))


def store_exists(url: str) -> bool:
    """Whether the store has been made, as far as that is known without a connection."""
    return is_shared(url) or _path(url).exists()


def store_folder(url: str) -> Path:
    """The folder of the store, which is made with it."""
    if is_shared(url):
        return Path()
    return _path(url).parent


def store_holder(url: str) -> StoreInUse | None:
    """The error by which `open_store` would name the process that has the store open, or None.

    Raises `StoreError`.
    """
    if is_shared(url):
        return None
    return holder_of(_path(url))


def take_lock(url: str, holder: str) -> int | None:
    """Take the lock of the store, for this process and all to which it gives the handle: the store
    is locked until all of them have closed it. None where a store has no lock. Raises
    `StoreError`."""
    return None if is_shared(url) else sqlite_store.take_lock(sqlite_path(url), holder)


def is_shared(url: str) -> bool:
    """Whether several nodes can have the store open at once."""
    return url.startswith("postgresql:")


def _require_file(url: str) -> None:
    if is_shared(url):
        raise StoreError(f"store {url}: use `wardgate store copy`, or PostgreSQL's own tools")


def _address(url: str, password: Password, ca_file: str | None) -> Address:
    try:
        from proxy.store.postgres.address import parse_address  # noqa: PLC0415 - it is an extra
    except ImportError:
        raise StoreError(
            f"store {url} needs a package: run `pip install 'wardgate[postgres]'`"
        ) from None
    return parse_address(url, password=password, ca_file=ca_file)


def _path(url: str) -> Path:
    return Path(sqlite_path(url)).resolve()
