"""One change of a store: records and audit entries are kept together, or not at all.

Tested by the contract suite, `tests/proxy/store/contract`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, Final
from uuid import uuid4

from proxy.domain.audit import FIRST_HASH, Audited, Entry, chain
from proxy.domain.audit_chain import Head, prune_entry
from proxy.domain.events import Delivery, DeliveryState, Event, event_of
from proxy.domain.model import Account, Environment, Key, Membership
from proxy.domain.session import Identity, Session
from proxy.store.feed import NodeRow
from proxy.store.protocols import Changes, Counter, Record
from proxy.store.sql import outbox, usage, uses
from proxy.store.sql.admin_reader import AdminReader
from proxy.store.sql.connection import EVERY, WritingConnection
from proxy.store.sql.rows import AUDIT, SESSION, SESSIONS_OF, session_row, upsert, whose


class SqlTransaction(AdminReader):
    """Implements `protocols.Transaction`: reads see its own writes."""

    def __init__(
        self, connection: WritingConnection, wanting: Callable[[str], Sequence[str]]
    ) -> None:
        """`wanting` returns the names of the webhooks that want events of a type."""
        super().__init__(connection)
        self._writer = connection
        self._wanting = wanting
        self._time: int | None = None
        self.announced = False
        """Whether there are new messages to webhooks."""
        self._changes = Changes()
        self.changed = False
        """Whether it changes a record or a setting."""

    # --- called by the store ---

    @property
    def audited(self) -> list[Audited]:
        """The entries that were appended to the audit log."""
        return self._changes.audited

    @property
    def revision(self) -> int | None:
        """The revision that the change made, once it is committed."""
        return self._changes.revision or None

    async def begin(self) -> None:
        """Begin. Raises `StoreUnavailable`."""
        self._time = await self._writer.begin()

    async def commit(self) -> Changes | None:
        """Commit. Returns the changes, or None if no record changed.

        Raises `StoreUnavailable`, after which it is unknown whether the change was kept.
        """
        if self.changed:
            rows = await self.rows("UPDATE meta SET revision = revision + 1 RETURNING revision")
            self._changes.revision = rows[0][0]
            await self._publish(self._changes)
        await self._writer.commit()
        return self._changes if self.changed else None

    async def _publish(self, changes: Changes) -> None:
        """Write down what has changed, where others follow it."""

    async def rollback(self) -> None:
        """Undo the change, if it has begun. Raises `StoreUnavailable`."""
        await self._writer.rollback()

    async def _run(self, sql: str, *values: Any) -> None:
        await self.run_many(sql, [values])

    async def run_many(self, sql: str, values: Sequence[Any]) -> None:
        """Run a statement for each of `values`. Raises `NotUnique`, `StoreUnavailable`."""
        await self._writer.run_many(sql, values)

    # --- called by the admin server ---

    def now(self, clock: Callable[[], int]) -> int:
        """The time of the change: by the store's own clock where it has one, else by `clock`."""
        return clock() if self._time is None else self._time

    async def next_id(self, counter: Counter) -> int:
        """An id that was never given before."""
        sql = "UPDATE counters SET value = value + 1 WHERE name = ? RETURNING value"
        return int((await self.rows(sql, counter))[0][0])

    async def take_id(self, counter: Counter, number: int) -> bool:
        """Reserve the id `number`, so that `next_id` never gives it. False if a record has it."""
        for table in _TABLES[counter]:
            if await self.rows(f"SELECT 1 FROM {table} WHERE id = ?", number):
                return False
        sql = "UPDATE counters SET value = ? WHERE name = ? AND value < ?"
        await self._run(sql, number, counter, number)
        return True

    async def put(self, record: Record) -> None:
        """Insert the record, or replace the one with its id. Raises `NotUnique`."""
        if isinstance(record, Key) and record.rotation.rotated is not None:
            await self.run_many(uses.RESTART, [uses.of_rotation(record)])
        sql, values = upsert(record)
        await self._run(sql, *values)
        self.changed = True
        changes = self._changes
        match record:
            case Account():
                changes.accounts.append(record)
            case Environment():
                changes.environments.append(record)
            case Key():
                changes.keys.append(record)
                for each, its_values in uses.of_change(record):
                    await self.run_many(each, its_values)
            case Membership():
                changes.memberships.append((record.account_id, record.environment_id, record))

    async def end_membership(self, membership: Membership) -> None:
        """End a membership."""
        await self._run("DELETE FROM memberships WHERE id = ?", membership.id)
        self.changed = True
        pair = (membership.account_id, membership.environment_id)
        self._changes.memberships.append((*pair, None))

    async def put_setting(self, name: str, value: str) -> None:
        """Store the value of a setting."""
        sql = (
            "INSERT INTO settings VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        await self._run(sql, name, value)
        self.changed = True
        self._changes.settings[name] = value

    async def record(self, entry: Entry) -> None:
        """Append to the audit log."""
        last = await self.rows("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
        sequence, previous = (last[0][0] + 1, last[0][1]) if last else (1, FIRST_HASH)
        actor, digest = entry.actor, chain(previous, sequence, entry)
        await self._run(
            f"INSERT INTO audit ({AUDIT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            sequence,
            entry.time,
            actor.account,
            actor.key,
            actor.address,
            actor.request_id,
            actor.identity,
            entry.action,
            entry.subject,
            _json(entry.before),
            _json(entry.after),
            digest,
        )
        self._changes.audited.append(Audited(sequence, entry, digest))
        event = event_of(entry)
        if event is not None:
            await self.announce(event)

    async def announce(self, event: Event, webhook: str | None = None) -> list[Delivery]:
        """Write a message of an event to each webhook that wants it, or to one."""
        message, made = f"msg_{uuid4().hex}", list[Delivery]()
        for name in self._wanting(event.type) if webhook is None else [webhook]:
            full = bool(await self.rows(outbox.FULL, name, outbox.MOST_WAITING - 1))
            state = DeliveryState.FAILED if full else DeliveryState.WAITING
            error = outbox.QUEUE_FULL if full else None
            new = Delivery(
                0, message, name, event.type, event.body, event.time, state, due=event.time
            )
            new = replace(new, error=error)
            rows = await self.rows(outbox.ADD, *outbox.add_values(new))
            made.append(replace(new, id=int(rows[0][0])))
        self.announced = self.announced or bool(made)
        return made

    async def put_delivery(self, delivery: Delivery) -> None:
        """Note what has become of a message."""
        await self._run(outbox.PUT, *outbox.put_values(delivery))
        self.announced = self.announced or delivery.state is DeliveryState.WAITING

    async def note_expiring(self, keys: Sequence[Key], days: int) -> None:
        """Note that webhooks are told that keys expire within so many days."""
        await self.run_many(outbox.NOTE_EXPIRING, [(key.id, key.expires, days) for key in keys])

    async def prune_deliveries(self, before: int, most: int) -> int:
        """Delete the oldest messages, and what is known of keys that have expired."""
        await self._run(outbox.FORGET_EXPIRED, before)
        old = await self.rows(outbox.OLDEST, before, most)
        await self.run_many(outbox.DELETE, old)
        return len(old)

    async def prune_audit(self, before: int, most: int, now: int) -> int:
        """Delete the oldest entries of the audit log, and record that."""
        sql = "SELECT sequence, hash, time FROM audit ORDER BY sequence LIMIT ?"
        oldest = await self.rows(sql, most)
        old = list(takewhile(lambda row: row[2] < before, oldest))
        if old:
            last = Head(*old[-1][:2])
            await self.record(prune_entry(now, len(old), last))  # first: there is always a last one
            await self._run("DELETE FROM audit WHERE sequence <= ?", last.sequence)
        return len(old)

    async def prune_usage(self, before: int, most: int) -> int:
        """Delete the oldest usage."""
        deleted = 0
        for table in usage.TABLES:
            old = await self.rows(usage.oldest(table), before, most - deleted)
            await self.run_many(usage.delete(table), old)
            deleted += len(old)
        return deleted

    async def forget_node(self, node: NodeRow) -> bool:
        """Have a node count as one that has left; this store has no nodes."""
        return False

    async def add_session(self, session: Session) -> Session:
        """Insert a session; its id is a new one."""
        values = session_row(session)
        places = ", ".join("?" * len(values))
        columns = SESSION.removeprefix("id, ")
        sql = f"INSERT INTO sessions ({columns}) VALUES ({places}) RETURNING id"
        rows = await self.rows(sql, *values)
        return replace(session, id=int(rows[0][0]))

    async def note_session(self, session_id: int, now: int) -> None:
        """Note that a session was used."""
        await self._run("UPDATE sessions SET last_seen = ? WHERE id = ?", now, session_id)

    async def end_session(self, session_id: int) -> None:
        """End a session."""
        await self._run("DELETE FROM sessions WHERE id = ?", session_id)

    async def end_sessions(
        self,
        *,
        account: int | None = None,
        key: int | None = None,
        identity: Identity | None = None,
        but: int | None = None,
    ) -> int:
        """End the sessions of an account, of one key or of one person, but for one. Returns how
        many."""
        sql = f"DELETE FROM sessions WHERE {SESSIONS_OF} AND coalesce(id <> ?, true) RETURNING id"
        return len(await self.rows(sql, *whose(account, key, identity), but))

    async def end_surplus_sessions(self, session: Session, most: int) -> None:
        """End all sessions of the same key or person but the latest so many."""
        sql = (
            f"DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE {SESSIONS_OF} "
            f"ORDER BY last_seen DESC, id DESC LIMIT {EVERY} OFFSET ?)"
        )
        await self._run(sql, *whose(None, session.key_id, session.identity), most)

    async def end_old_sessions(self, *, created: int, last_seen: int) -> None:
        """End all sessions that are older, or that were last used before."""
        sql = "DELETE FROM sessions WHERE created <= ? OR last_seen <= ?"
        await self._run(sql, created, last_seen)


_TABLES: Final = {
    "account": ("accounts", "environments"),
    "key": ("keys",),
    "membership": ("memberships",),
}
"""Counter → the tables whose ids come from it."""


def _json(value: Mapping[str, object] | None) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)
