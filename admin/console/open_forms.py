"""Forms that are open in browsers: each counts once, and what was typed outlives its session.

A page that is loaded again must not make a second key, so a form that makes something holds a token
that counts once. And where a session ends while somebody fills a form in, what was typed is kept
until the form can be shown again. Nothing is done with it before it is sent anew.

All of it is in memory, of bounded size, for each session apart. An account that logs in often makes
its own forms be forgotten, not those of others. What is forgotten costs one click more.

Tested in `tests/admin/console/test_open_forms.py`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from admin.api.form import form_of
from admin.api.middleware import LOGIN
from admin.api.paths import ID, OF_COLLECTION
from admin.service.errors import Refused

MAX_SESSIONS: Final = 500
"""Sessions whose forms are known. With one more, an account that has the most of them loses the one
whose pages were not used for longest."""
MAX_OF_ACCOUNT: Final = 50
"""Of one account, likewise."""
MAX_TOKENS: Final = 100
MAX_TYPED: Final = 4
"""Of each session, as the one before. The oldest leave."""
MAX_SIZE: Final = 16 * 1024
"""Characters of a form that are kept."""

_PAGES: Final = (
    (re.compile(r"(/(?:keys|environments|accounts))"), r"\1/new"),
    (re.compile(rf"(/(?:keys|environments|accounts)/{ID}/edit)"), r"\1"),
    (re.compile(rf"(/keys/{ID}/rotate)"), r"\1"),
    (re.compile(rf"(/environments/{ID})/members"), r"\1"),
    (re.compile(f"({OF_COLLECTION})/?"), r"\1"),
    (re.compile(r"(/settings)/[a-z_]+"), r"\1"),
)
"""Where a form with something typed is sent → the page that shows it."""

_TOKENS: Final = frozenset({"csrf", "form"})

K = TypeVar("K")
V = TypeVar("V")


class Typed(NamedTuple):
    """What was typed into a form that was not accepted."""

    path: str
    """Where the form was sent."""
    fields: dict[str, str]

    @classmethod
    def of(cls, path: str, fields: Mapping[str, str]) -> Typed | None:
        """What is kept of the fields of a form; None where that is nothing, or too much."""
        kept = {name: value for name, value in fields.items() if name not in _TOKENS}
        if page_of(path) is None or not 0 < sum(map(len, (*kept, *kept.values()))) <= MAX_SIZE:
            return None
        return cls(path, kept)

    @property
    def text(self) -> str:
        """The fields as one text, for a page that passes them on."""
        return urlencode(self.fields)


@dataclass(slots=True)
class _OfSession:
    tokens: dict[str, str] = field(default_factory=dict)
    """Token → the path for which it counts, empty once it has been used."""
    typed: dict[str, Typed] = field(default_factory=dict)


class Holder(NamedTuple):
    """Whose forms are meant: the account that has logged in, and the digest of its session's
    token."""

    account: int
    session: bytes

    @classmethod
    def of(cls, request: web.Request) -> Holder:
        """The holder of the forms on the pages of a request, which comes with a session."""
        session = request[LOGIN].session
        return cls(session.account_id, session.digest)


class OpenForms:
    """The forms that are open."""

    def __init__(self) -> None:
        self._accounts: dict[int, dict[bytes, _OfSession]] = {}
        """By account and session; what was used last is last."""

    def token(self, holder: Holder, path: str) -> str:
        """A token for a form that will be sent to `path`."""
        return _added(self._of(holder).tokens, path, MAX_TOKENS)

    def use(self, holder: Holder, path: str, token: str) -> None:
        """Use the token of a form that was sent to `path`. Raises `Refused` unless it counts."""
        tokens = self._of(holder).tokens
        meant = tokens.get(token)
        if meant == "":
            raise Refused("Conflict", USED)
        if meant != path:
            raise Refused("Conflict", FORGOTTEN)
        tokens[token] = ""

    def keep(self, holder: Holder, typed: Typed) -> str:
        """Keep what was typed. Returns the URL of the page that shows it."""
        kept = _added(self._of(holder).typed, typed, MAX_TYPED)
        return f"{page_of(typed.path)}?typed={kept}"

    def kept(self, holder: Holder, page: str, name: str) -> Typed | None:
        """What was kept for a page under a name."""
        typed = self._of(holder).typed.get(name)
        return typed if typed is not None and page_of(typed.path) == page else None

    def _of(self, holder: Holder) -> _OfSession:
        own = self._accounts.pop(holder.account, {})
        found = own.pop(holder.session, None) or _OfSession()
        _bound(own, MAX_OF_ACCOUNT)
        own[holder.session] = found
        self._accounts[holder.account] = own
        while sum(map(len, self._accounts.values())) > MAX_SESSIONS:
            account = max(self._accounts, key=lambda each: len(self._accounts[each]))
            _bound(self._accounts[account], len(self._accounts[account]))
            if not self._accounts[account]:
                del self._accounts[account]
        return found


USED: Final = (
    "This form was sent before, so nothing was done now. To do the same once more, send it again."
)
FORGOTTEN: Final = (
    "This form was open for too long, so nothing was done. Check it, and send it again."
)
KEPT: Final = (
    "Nothing was done yet, because the session of the page had ended. What you typed is here: "
    "check it, and send it again."
)
FORMS: Final = web.AppKey("forms", OpenForms)


def page_of(path: str) -> str | None:
    """The page with the form that is sent to `path`; None where nothing is typed into one."""
    for pattern, page in _PAGES:
        match = pattern.fullmatch(path)
        if match is not None:
            return match.expand(page)
    return None


async def typed_into(request: web.Request) -> Typed | None:
    """What was typed into the form that is sent; None where that is nothing, or too much."""
    if request.method != "POST" or page_of(request.path) is None:
        return None
    try:
        fields = await form_of(request)
    except (Refused, web.HTTPException):
        return None
    return Typed.of(request.path, fields)


def kept_for(request: web.Request) -> Typed | None:
    """What was typed before into a form of the page that is requested."""
    name = request.query.get("typed", "")
    return request.app[FORMS].kept(Holder.of(request), request.path, name)


def typed_before(
    request: web.Request, otherwise: Mapping[str, str]
) -> tuple[Mapping[str, str], Refused | None]:
    """What was typed before into the form of the page that is requested, and a sentence about it;
    `otherwise` and None where that is nothing."""
    typed = kept_for(request)
    return (otherwise, None) if typed is None else (typed.fields, Refused("Conflict", KEPT))


def _added(known: dict[str, V], value: V, most: int) -> str:
    """Add a value under a new name, and return the name."""
    _bound(known, most)
    name = secrets.token_urlsafe(16)
    known[name] = value
    return name


def _bound(known: dict[K, V], most: int) -> None:
    while len(known) >= most:
        del known[next(iter(known))]
