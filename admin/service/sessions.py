"""Sessions of the console: login, resumption at each request, and their end.

Tested in `tests/admin/console/test_sessions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from admin.service.base import Caller, Change, Service
from admin.service.errors import Refused
from admin.service.permissions import Right, Subject, rights, standing_to_account
from proxy.auth.ratelimit import Budget
from proxy.domain.model import Account, Key, refusal
from proxy.domain.session import IDLE, LIFETIME, MOST, NOTED_EVERY, Session, digest_of, new_token
from proxy.store.protocols import Reader, Store

MAX_AGENT: Final = 255
"""Characters of a User-Agent that are kept."""
MAX_LOGINS: Final = 100
"""Logins with one key at once; then there is one more every ten seconds. Each is an entry in the
audit log, also those with a key that may change nothing."""


class SessionService(Service):
    """Begins, resumes and ends sessions. Only account keys log in.

    A caller sees and ends the sessions of its own key. With the right to deactivate its account's
    keys, which ends their sessions too, it sees and ends those of all of them.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        super().__init__(store, clock)
        self._logins = Budget(MAX_LOGINS, 10.0)

    async def login(self, caller: Caller, agent: str) -> str:
        """Begin a session for a caller who has just presented its key. Returns its token, which is
        shown only here. Raises `Refused`."""
        if not isinstance(caller.owner, Account):
            raise Refused("Forbidden", "this is an environment key; log in with an account key")
        if self._logins.is_spent(caller.key.ref):
            raise Refused("TooManyRequests", "too many logins with this key; retry in 10 s")
        self._logins.charge(caller.key.ref)
        token, agent = new_token(), _readable(agent)
        async with self._change(caller) as change:
            now, key = change.now, change.caller.key
            await change.tx.end_old_sessions(created=now - LIFETIME, last_seen=now - IDLE)
            await change.tx.add_session(
                Session(
                    id=0,
                    digest=digest_of(token),
                    key_id=key.id,
                    secret_hash=caller.secret_hash,
                    created=now,
                    last_seen=now,
                    address=caller.address,
                    agent=agent,
                )
            )
            await change.tx.end_surplus_sessions(key.id, MOST)
            await change.note("session.create", key.ref, None, {"agent": agent})
        return token

    async def resume(
        self, token: str, address: str, request_id: str
    ) -> tuple[Session, Caller] | None:
        """The session of a token and who it acts for; None where it has ended. Raises
        `StoreUnavailable`."""
        session = await self._store.find_session(digest_of(token))
        if session is None:
            return None
        key, owner, now = *await _key_and_account(self._store, session), self._clock()
        if key is None or owner is None or not session.holds(key, now) or refusal(key, owner, now):
            async with self._store.write() as tx:
                await tx.end_session(session.id)
            return None
        if now - session.last_seen >= NOTED_EVERY:
            async with self._store.write() as tx:
                await tx.note_session(session.id, now)
        return session, Caller(key, owner, session.secret_hash, address, request_id)

    async def list(self, caller: Caller) -> Sequence[Session]:
        """The sessions that go on and that the caller reaches, the latest 100. Raises
        `StoreUnavailable`."""
        now = self._clock()
        found = await self._store.list_sessions(**_reach(caller))
        return [session for session in found if now < session.expires]

    async def end(self, caller: Caller, session_id: int) -> None:
        """End a session that the caller reaches. Raises `Refused`."""
        async with self._change(caller) as change:
            session = await change.tx.get_session(session_id)
            key = None if session is None else await change.tx.get_key(session.key_id)
            if session is None or key is None or not _reaches(change.caller, key):
                raise Refused("NotFound", "this session has ended already")
            await _end(change, session)

    async def end_others(self, caller: Caller, session: Session) -> None:
        """End all sessions that the caller reaches but for one. Raises `Refused`."""
        async with self._change(caller) as change:
            ended = await change.tx.end_sessions(**_reach(change.caller), but=session.id)
            await change.note("session.end", change.caller.key.ref, None, {"sessions": ended})

    async def logout(self, caller: Caller, session: Session) -> None:
        """End the session that a request came with, whatever its key may still do."""
        async with self._store.write() as tx:
            change = Change(tx, caller, self._clock())
            await _end(change, session)


def _reaches_account(caller: Caller) -> bool:
    """Whether a caller reaches the sessions of all of its account's keys."""
    standing = standing_to_account(caller.owner, caller.owner.id)
    return Right.LIFECYCLE in rights(standing, caller.key.role, Subject.ACCOUNT_KEY)


def _reaches(caller: Caller, key: Key) -> bool:
    own = key.account_id == caller.owner.id and _reaches_account(caller)
    return own or key.id == caller.key.id


def _reach(caller: Caller) -> dict[str, int]:
    """The key or the account whose sessions a caller reaches, as the store takes it."""
    return {"account": caller.owner.id} if _reaches_account(caller) else {"key": caller.key.id}


def _readable(agent: str) -> str:
    """A User-Agent as the store can keep it: a client may send any bytes."""
    return agent.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:MAX_AGENT]


async def _end(change: Change, session: Session) -> None:
    await change.note("session.end", f"1c{session.key_id}", None, {"session": session.id})
    await change.tx.end_session(session.id)


async def _key_and_account(reader: Reader, session: Session) -> tuple[Key | None, Account | None]:
    key = await reader.get_key(session.key_id)
    if key is None or key.account_id is None:
        return key, None
    return key, await reader.get_account(key.account_id)
