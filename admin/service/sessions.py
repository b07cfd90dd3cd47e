"""Sessions of the console: login, resumption at each request, and their end.

Tested in `tests/admin/console/test_login.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from admin.service.base import Caller, Change, Service
from admin.service.errors import Refused
from proxy.domain.model import Account, Key, refusal
from proxy.domain.session import IDLE, LIFETIME, NOTED_EVERY, Session, digest_of, new_token
from proxy.store.protocols import Reader

MAX_AGENT = 255
"""Characters of a User-Agent that are kept."""


class SessionService(Service):
    """Begins, resumes and ends sessions. Only account keys log in."""

    async def login(self, caller: Caller, agent: str) -> str:
        """Begin a session for a caller who has just presented its key. Returns its token, which is
        shown only here. Raises `Refused`."""
        if not isinstance(caller.owner, Account):
            raise Refused("Forbidden", "this is an environment key; log in with an account key")
        token, agent = new_token(), _readable(agent)
        async with self._change(caller) as change:
            now, key = change.now, change.caller.key
            await change.tx.end_sessions(created=now - LIFETIME, last_seen=now - IDLE)
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
        """The sessions of the caller's account that go on. Raises `StoreUnavailable`."""
        now = self._clock()
        return [
            session
            for session in await self._store.list_sessions(caller.owner.id)
            if now < session.expires
        ]

    async def end(self, caller: Caller, session_id: int) -> None:
        """End a session of the caller's account, one's own or another. Raises `Refused`."""
        async with self._change(caller) as change:
            for session in await change.tx.list_sessions(caller.owner.id):
                if session.id == session_id:
                    await _end(change, session)
                    return
        raise Refused("NotFound", "this session has ended already")

    async def logout(self, caller: Caller, session: Session) -> None:
        """End the session that a request came with, whatever its key may still do."""
        async with self._store.write() as tx:
            change = Change(tx, caller, self._clock())
            await _end(change, session)


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
