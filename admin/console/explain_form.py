"""“May this key do that?” as a form: what is asked, and the gateway's answer in sentences.

The answer is that of the API's action `explain`; here are only the words around it.

Tested in `tests/admin/console/test_explain_form.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from admin.api.representations import Json
from admin.api.resources import RequestContext
from admin.api.resources.keys import KeyResource
from admin.service.errors import Refused
from proxy.domain.methods import STANDARD
from proxy.domain.model import Reason
from proxy.domain.reasons import BaseReason
from proxy.http1.faults import Fault

METHODS: Final = STANDARD

ADVICE: Final[Mapping[BaseReason, str]] = {
    Reason.KEY_INACTIVE: "Activate the key.",
    Reason.KEY_EXPIRED: "Give the key a later expiry, or make a new one.",
    Reason.OWNER_INACTIVE: "Activate the account or the environment that the key belongs to.",
    Reason.NO_ROUTE: "Check the path. If it is right, give the configuration a route for it.",
    Reason.ENVIRONMENT: "The key acts in its own environment alone: use that environment's path, "
    "or a key of the other environment.",
    Reason.NO_ENVIRONMENT: "Check the environment's name in the path. If it is right, make the "
    "key's account a member there.",
    Reason.ACCESS: "Use a key that the route is open to, or change the route's `access` in the "
    "configuration.",
    Reason.READ_ONLY: "Give the key a stronger role. That of an account's key is bounded by the "
    "account's membership in the environment, and by the account's kind.",
    Reason.NETWORK: "Use the key from one of its networks, or add one to the limits of the key, "
    "its account or the environment.",
    Reason.SCOPE: "Add the method and the path to the scopes of the key, its account or the "
    "environment.",
    Reason.WINDOW: "Wait for the hours of the key, its account or the environment, or change them.",
    Reason.RATE: "Wait, or raise the rate of the key, its account or the environment.",
    Reason.QUOTA: "Raise the quota of the key, its account or the environment, or wait for its "
    "next day or month.",
    Reason.ADDRESS_RATE: "Wait, or raise the route's `rate` in the configuration.",
    Reason.METHOD: "Use another method, or add this one to the route's `methods` in the "
    "configuration.",
    Reason.PREFLIGHT_ORIGIN: "Add the origin to the route's `cors.origins` in the configuration.",
    Reason.PREFLIGHT_METHOD: "Add the method to the route's `cors.methods` in the configuration.",
    Reason.PREFLIGHT_FIELDS: "Add `authorization` to the route's `cors.headers` in the "
    "configuration.",
    Reason.AMBIGUOUS_PATH: "Write the path as the route has it: with the same capital letters, "
    "without a suffix, and with nothing encoded twice.",
    Reason.ENVIRONMENT_NAME: "Put the name of an environment there: letters, digits, `-` and `_`.",
    Reason.PATH_CHARACTERS: "Leave the character out. If the API behind needs it, add it to the "
    "route's `allow` in the configuration.",
    Fault.REQUEST_LINE: "Write a space in the path as %20.",
    Fault.METHOD_UNSUPPORTED: "Use another method.",
    Fault.TARGET: "Begin the path with `/`, leave `.` and `..` out of it, and write other "
    "characters than letters, digits and the usual signs as in %20.",
    Fault.VERSION: "Write a space in the path as %20.",
    Fault.REQUEST_LINE_SIZE: "Shorten the path, or raise `line_size` in the configuration.",
}
"""What to do about a refusal."""
_ADVICE: Final = {reason.code: advice for reason, advice in ADVICE.items()}


@dataclass(frozen=True, slots=True)
class Question:
    """What the form asks, and the answer once it has one."""

    method: str
    path: str
    origin: str
    address: str
    """Of the client; without it the networks of limits are not judged."""
    asked: bool
    answer: Json | None = None
    """As the API gives it."""
    refused: Refused | None = None
    """Why the question itself is wrong."""

    @property
    def advice(self) -> str:
        """What to do about a refusal; empty where nothing has to be done."""
        reason = (self.answer or {}).get("reason")
        return _ADVICE.get(str(reason), "")


async def question_of(
    keys: KeyResource, context: RequestContext, key_id: int, endpoint: str, query: Mapping[str, str]
) -> Question:
    """The question in a URL's query about a key, with its answer. Without one it is an empty form,
    filled with the path of `endpoint`. Raises `Refused` as the key's own page does."""
    if "path" not in query:
        path = urlsplit(endpoint).path.rstrip("/") + "/"
        return Question("GET", path, "", "", asked=False)
    method = query.get("method", "").strip().upper() or "GET"
    origin = query.get("origin", "").strip().rstrip("/")
    address = query.get("address", "").strip()
    path = _path_of(query["path"].strip())
    body: dict[str, object] = {"method": method, "path": path}
    if address:
        body["address"] = address
    if origin:
        body["origin"] = origin
    try:
        answer = await keys.custom_actions["explain"](context, key_id, body)
    except Refused as refused:
        if refused.field is None:
            raise
        return Question(method, path, origin, address, asked=True, refused=refused)
    return Question(method, path, origin, address, asked=True, answer=answer)


def _path_of(text: str) -> str:
    """The path and query of what was typed: of a whole URL only these."""
    if not text.startswith(("http://", "https://")):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
