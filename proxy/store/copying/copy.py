"""Copies a store into a new one, which then takes its place or is a backup.

The rule that lives here: nothing is believed to be copied until it was read again where it is now.
Then the new store is kept first, and that the old one has moved second; a crash between the two is
noticed by the next attempt, which does only what is left.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

from proxy.domain.audit import Actor, Audited, Entry, chain
from proxy.domain.audit_chain import Head, verify
from proxy.store.copying.database import META, SESSIONS, Database, Place, Table, shared
from proxy.store.protocols import StoreError
from proxy.store.sql.rows import AUDIT, to_audited

COPY: Final = "store.copy"
"""The action of the entry that a copy gets."""
REOPEN: Final = "store.reopen"
"""The action of the entry that a store gets that is taken back."""
_USE: Final = "start the server with the new store"
_KEPT: Final = "protect the copy like the store itself"
Report = Callable[[str, int, int], None]
"""Is told how many rows of a table are copied, and of how many."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, or would be."""

    tables: int
    rows: int
    keys: int
    finished: bool = False
    """Whether it had been copied before, and only the old store did not know."""

    def as_text(self, *, dry_run: bool, keep: bool) -> str:
        """For people to read."""
        if dry_run and self.finished:
            return "the store is copied already: only the old one does not know that it has moved"
        if self.finished:
            return "the store was copied before: now the old one knows that it has moved"
        what = f"{self.rows:,} rows of {self.tables} tables, {self.keys:,} keys"
        if dry_run:
            return f"the audit log verifies; {what} would be copied"
        return f"{what} are copied and verified: {_USE if not keep else _KEPT}"


def copy(
    source: Place, target: Place, now: int, report: Report, *, keep: bool, dry_run: bool = False
) -> Copied:
    """Copy the store at `source` to `target`, where there is none.

    The old store is not used any more then, unless `keep` says so: then it may be in use meanwhile,
    and the copy has no sessions, so that none that is ended begins again. `dry_run` changes
    nothing, but verifies the audit log. `now` is in milliseconds since the epoch. Raises
    `StoreError`.
    """
    with source.source(moving=not keep, dry_run=dry_run) as old:
        state = _state(old)
        if state["moved_to"] is not None:
            raise StoreError(
                f"store {source} has moved to {state['moved_to']}; `wardgate store reopen` takes "
                "that back"
            )
        finished = _require_room(target, state, keep=keep)
        left_out = {SESSIONS} if keep else set[str]()
        if dry_run:
            return replace(_tried(old, left_out), finished=finished)
        if finished:
            old.fetch(f"UPDATE {META} SET moved_to = ?", str(target))
            return Copied(0, 0, 0, finished=True)
        with target.target() as new:
            both = shared(old.tables(), new.tables())
            tables = [each for each in both if each.name not in left_out]
            copied = _copy(old, new, tables, report)
            _begin(new, state, source, now)
        if not keep:
            old.fetch(f"UPDATE {META} SET moved_to = ?", str(target))
    return copied


def reopen(place: Place, now: int) -> str:
    """Take back that the store at `place` has moved, and return where to. Raises `StoreError`."""
    with place.source(moving=True, dry_run=False, moved=True) as database:
        state = _state(database)
        moved_to = state["moved_to"]
        if moved_to is None:
            raise StoreError(f"store {place} has not moved: there is nothing to take back")
        # A revision that the copy does not know: it is no longer a copy of this state.
        revision = state["revision"] + 1
        database.fetch(f"UPDATE {META} SET moved_to = NULL, revision = ?", revision)
        database.begin_history(revision, now)
        _record(database, Entry(now, Actor(), REOPEN, "store", {"moved_to": moved_to}, None))
    return str(moved_to)


def _state(database: Database) -> dict[str, Any]:
    """The row of `META` by its columns."""
    columns = database.tables()[META].columns
    ((*values,),) = database.fetch(f"SELECT {', '.join(columns)} FROM {META}")
    return dict(zip(columns, values, strict=True))


def _require_room(target: Place, old: dict[str, Any], *, keep: bool) -> bool:
    """Raises `StoreError` where a store is at `target` already, but for one that an attempt before
    has made of the store in this state: then it returns True."""
    with target.existing() as found:
        if found is None:
            return False
        there = _state(found)
        if there.get("store_id") == old["store_id"]:
            raise StoreError(f"{target} is the same store, or a backup of it: it has the same id")
        entry = _last_entry(found)
        made_of = (entry.after or {}) if entry is not None and entry.action == COPY else {}
        if (
            not keep
            and made_of.get("store") == old["store_id"]
            and there["revision"] == old["revision"] + 1
        ):
            return True
        raise StoreError(f"there is a store at {target} already: it is not overwritten")


def _tried(old: Database, left_out: set[str]) -> Copied:
    """What would be copied. Raises `StoreError` where the audit log does not verify."""
    tables = [each for each in old.tables().values() if each.name not in left_out]
    counts = {each.name: _count(old, each) for each in tables}
    audit = old.tables()["audit"]
    _verify(row for batch in old.read(audit) for row in _entries(audit, batch))
    return Copied(len(tables), sum(counts.values()), counts["keys"])


def _copy(old: Database, new: Database, tables: list[Table], report: Report) -> Copied:
    digests = {}
    with new.loading():
        for table in tables:
            new.fetch(f"DELETE FROM {table.name}")  # what each new store has
            digests[table.name] = _copy_table(old, new, table, report)
    rows = {}
    for table in tables:
        digest = _Digest()
        for batch in new.read(table):
            digest.add(batch)
        if digest != digests[table.name]:
            raise StoreError(f"the copy of {table.name} differs from what was copied")
        rows[table.name] = digest.rows
    new.set_last_ids(old.last_ids())
    return Copied(len(tables), sum(rows.values()), rows["keys"])


def _copy_table(old: Database, new: Database, table: Table, report: Report) -> _Digest:
    total, digest = _count(old, table), _Digest()

    def batches() -> Iterator[Any]:
        for batch in old.read(table):
            new.add(table, batch)
            digest.add(batch)
            report(table.name, digest.rows, total)
            yield batch

    if table.name == "audit":
        _verify(entry for batch in batches() for entry in _entries(table, batch))
    else:
        for _ in batches():
            pass
    if digest.rows != total:
        raise StoreError(f"{table.name} has {total} rows, but {digest.rows} were read")
    return digest


class _Digest:
    """The number of rows, and a digest of all of them in their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = blake2b(digest_size=32)

    def add(self, rows: Any) -> None:
        """Add rows."""
        self.rows += len(rows)
        self._hash.update("".join(map(repr, rows)).encode())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Digest) and self._value() == other._value()

    def __hash__(self) -> int:
        return hash(self._value())

    def _value(self) -> tuple[int, bytes]:
        return self.rows, self._hash.digest()


def _begin(new: Database, old: dict[str, Any], source: Place, now: int) -> None:
    """Have a store with the records of another one begin: with the same seal key, so that secrets
    are what they were, an id of its own, and a later revision than anybody knows of the old one."""
    begun = {"store_id": secrets.token_hex(16), "revision": old["revision"] + 1, "moved_to": None}
    state = {name: old[name] for name in _state(new).keys() & old.keys()} | begun
    state.pop("schema", None)  # it is that of the new store already
    changed = ", ".join(f"{name} = ?" for name in state)
    new.fetch(f"UPDATE {META} SET {changed}", *state.values())
    new.begin_history(begun["revision"], now)
    after = {"from": str(source), "store": old["store_id"]}
    _record(new, Entry(now, Actor(), COPY, "store", None, after))


def _entries(table: Table, rows: Any) -> Iterator[Audited | None]:
    """The entries of rows of the audit log; None for what is none."""
    places = [table.columns.index(name) for name in AUDIT.split(", ")]
    for row in rows:
        try:
            yield to_audited(tuple(row[place] for place in places))
        except (ValueError, TypeError):
            yield None


def _verify(entries: Iterator[Audited | None]) -> None:
    problems = verify(entries).problems
    if problems:
        raise StoreError(f"the audit log does not verify: {problems[0]}")


def _last_entry(database: Database) -> Entry | None:
    rows = database.fetch(f"SELECT {AUDIT} FROM audit ORDER BY sequence DESC LIMIT 1")
    return to_audited(rows[0]).entry if rows else None


def _record(database: Database, entry: Entry) -> None:
    """Append to the audit log what the command line does."""
    ((sequence, digest),) = database.fetch(
        "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1"
    )
    head = Head(sequence + 1, chain(digest, sequence + 1, entry))
    sides = (entry.before, entry.after)
    before, after = (None if side is None else json.dumps(side, sort_keys=True) for side in sides)
    database.fetch(
        "INSERT INTO audit (sequence, time, act, subject, before, after, hash) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(head.sequence, entry.time, entry.action, entry.subject, before, after, head.hash),
    )


def _count(database: Database, table: Table) -> int:
    ((number,),) = database.fetch(f"SELECT count(*) FROM {table.name}")
    return int(number)
