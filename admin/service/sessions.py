"""Sessions of the console: login, resumption at each request, and their end.

Tested in `tests/admin/console/test_sessions.py` and `test_oidc.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from admin.service.base import Caller, Change, Service
from admin.service.errors import Refused
from admin.service.people import caller_for
from admin.service.permissions import Right, Subject, rights, standing_to_account
from proxy.auth.ratelimit import Budget
from proxy.config.oidc import Oidc
from proxy.domain.errors import StoreUnavailable
from proxy.domain.model import Account, refusal
from proxy.domain.session import (
    IDLE,
    LIFETIME,
    MOST,
    NOTED_EVERY,
    Identity,
    Session,
    digest_of,
    new_token,
)
from proxy.store.protocols import Store

MAX_AGENT: Final = 255
"""Characters of a User-Agent that are kept."""
MAX_LOGINS: Final = 100
"""Logins with one key, or of one person, at once; then there is one more every ten seconds. Each is
an entry in the audit log, also those with a key that may change nothing."""


class SessionService(Service):
    """Begins, resumes and ends sessions. Account keys log in, and people with OpenID Connect.

    A caller sees and ends the sessions of its own key, or a person's own. With the right to
    deactivate its account's keys, which ends their sessions too, it sees and ends all of the
    account.
    """

    def __init__(
        self, store: Store, clock: Callable[[], int], oidc: Callable[[], Oidc | None]
    ) -> None:
        """`oidc` returns the settings of OpenID Connect as they are now."""
        super().__init__(store, clock)
        self._oidc = oidc
        self._logins = Budget(MAX_LOGINS, 10.0)

    async def login(self, caller: Caller, agent: str) -> str:
        """Begin a session for a caller who has just presented its key, or proved to be a person.
        Returns its token, which is shown only here. Raises `Refused`."""
        if not isinstance(caller.owner, Account):
            raise Refused("Forbidden", "this is an environment key; log in with an account key")
        who = repr(caller.identity) if caller.key is None else caller.key.ref
        if self._logins.is_spent(who):
            raise Refused("TooManyRequests", "too many logins; retry in 10 s")
        self._logins.charge(who)
        token, agent = new_token(), _readable(agent)
        async with self._change(caller) as change:
            now, key, identity = change.now, change.caller.key, change.caller.identity
            await change.tx.end_old_sessions(created=now - LIFETIME, last_seen=now - IDLE)
            session = await change.tx.add_session(
                Session(
                    id=0,
                    digest=digest_of(token),
                    key_id=None if key is None else key.id,
                    secret_hash=caller.secret_hash,
                    created=now,
                    last_seen=now,
                    address=caller.address,
                    agent=agent,
                    account_id=caller.owner.id,
                    identity=identity,
                )
            )
            await change.tx.end_surplus_sessions(session, MOST)
            after = {"agent": agent}
            if identity is not None:
                after |= {"issuer": identity.issuer, "claim": identity.claim}
            await change.note("session.create", session.acts_for, None, after)
        return token

    async def resume(
        self, token: str, address: str, request_id: str
    ) -> tuple[Session, Caller] | None:
        """The session of a token and who it acts for; None where it has ended. Raises
        `StoreUnavailable`; where the store can only be read, sessions go on for what is left of
        their hour."""
        session = await self._store.find_session(digest_of(token))
        if session is None:
            return None
        now = self._clock()
        caller = await self._caller(session, now, address, request_id)
        if caller is None:
            async with self._store.write() as tx:
                await tx.end_session(session.id)
            return None
        if now - session.last_seen >= NOTED_EVERY:
            with suppress(StoreUnavailable):
                async with self._store.write() as tx:
                    await tx.note_session(session.id, now)
        return session, caller

    async def _caller(
        self, session: Session, now: int, address: str, request_id: str
    ) -> Caller | None:
        """Who a session acts for; None where its right has ended."""
        if session.identity is not None:
            try:
                caller = await self.person(session.identity, address, request_id)
            except Refused:
                return None
            same = caller.owner.id == session.account_id and now < session.expires
            return caller if same else None
        key = None if session.key_id is None else await self._store.get_key(session.key_id)
        account = await self._store.get_account(session.account_id)
        if key is None or account is None:
            return None
        if not session.holds(key, now) or refusal(key, account, now):
            return None
        return Caller(key, account, session.secret_hash, address, request_id)

    async def person(self, identity: Identity, address: str, request_id: str) -> Caller:
        """A person who has proved to be this one, as a caller. Raises `Refused` for a person
        without an active account."""
        return await caller_for(self._store, self._oidc(), identity, address, request_id)

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
            if session is None or not _reaches(change.caller, session):
                raise Refused("NotFound", "this session has ended already")
            await _end(change, session)

    async def end_others(self, caller: Caller, session: Session) -> None:
        """End all sessions that the caller reaches but for one. Raises `Refused`."""
        async with self._change(caller) as change:
            ended = await change.tx.end_sessions(**_reach(change.caller), but=session.id)
            await change.note("session.end", session.acts_for, None, {"sessions": ended})

    async def end_replaced(self, digest: bytes, address: str, request_id: str) -> None:
        """End the session whose token has this digest, if it goes on: there was another login in
        its browser."""
        session = await self._store.find_session(digest)
        if session is None:
            return
        caller = await self._caller(session, self._clock(), address, request_id)
        if caller is not None:
            await self.logout(caller, session)

    async def logout(self, caller: Caller, session: Session) -> None:
        """End the session that a request came with, whatever its key may still do."""
        async with self._store.write() as tx:
            change = Change(tx, caller, tx.now(self._clock))
            await _end(change, session)


def _reaches_account(caller: Caller) -> bool:
    """Whether a caller reaches all sessions of its account."""
    standing = standing_to_account(caller.owner, caller.owner.id)
    return Right.LIFECYCLE in rights(standing, caller.role, Subject.ACCOUNT_KEY)


def _reaches(caller: Caller, session: Session) -> bool:
    if session.account_id == caller.owner.id and _reaches_account(caller):
        return True
    if caller.key is not None:
        return session.key_id == caller.key.id
    return session.identity == caller.identity


def _reach(caller: Caller) -> dict[str, Any]:
    """The account, key or person whose sessions a caller reaches, as the store takes it."""
    if _reaches_account(caller):
        return {"account": caller.owner.id}
    return {"identity": caller.identity} if caller.key is None else {"key": caller.key.id}


def _readable(agent: str) -> str:
    """A User-Agent as the store can keep it: a client may send any bytes."""
    return agent.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:MAX_AGENT]


async def _end(change: Change, session: Session) -> None:
    await change.note("session.end", session.acts_for, None, {"session": session.id})
    await change.tx.end_session(session.id)
