"""What people call things, and which resource that is: an id, or a name that is looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from admin.cli.failures import Failure, Missing
from admin.cli.options import AdminClient
from admin.cli.texts import printable

if TYPE_CHECKING:
    from admin.cli.client import Json

_OWNER_ID = re.compile("1a[1-9][0-9]{0,17}")
_KEY_ID = re.compile("1c[1-9][0-9]{0,17}")


def environment(client: AdminClient, name: str) -> Json:
    """The environment with this id or slug. Raises `Failure`."""
    if _OWNER_ID.fullmatch(name):
        return _by_id(client, "environment", f"/projects/{name}")
    return _only(client, "environment", "slug", "/projects", {"slug": name})


def account(client: AdminClient, name: str) -> Json:
    """The account with this id or name. Raises `Failure`."""
    if _OWNER_ID.fullmatch(name):
        return _by_id(client, "account", f"/accounts/{name}")
    return _only(client, "account", "name", "/accounts", {"name": name})


def key(client: AdminClient, name: str, within: str | None = None) -> Json:
    """The key with this id or access key, of the environment `within` if that is given.

    Raises `Failure`.
    """
    path = "/apikeys"
    if within is not None:
        path = f"/projects/{environment_id(client, within)}/apikeys"
    if _KEY_ID.fullmatch(name):
        return _by_id(client, "key", f"{path}/{name}")
    return _only(client, "key", "access key", path, {"publicValue": name})


def environment_id(client: AdminClient, name: str) -> str:
    """The id of an environment. Raises `Failure`."""
    return str(environment(client, name)["id"])


def account_id(client: AdminClient, name: str) -> str:
    """The id of an account. Raises `Failure`.

    Where it is an id already, it may be that of an account which the caller does not see.
    """
    return name if _OWNER_ID.fullmatch(name) else str(account(client, name)["id"])


def _by_id(client: AdminClient, what: str, path: str) -> Json:
    try:
        return client.get(path)
    except Missing:
        raise Missing(f"there is no {what} {path.rpartition('/')[2]}") from None


def _only(client: AdminClient, what: str, by: str, path: str, query: Mapping[str, str]) -> Json:
    """The one resource that `query` finds. Raises `Failure`."""
    (value,) = query.values()
    found = list(client.all(path, query, limit=20))
    if len(found) == 1:
        return found[0]
    if not found:
        raise Missing(f"there is no {what} with the {by} {printable(value)}")
    ids = ", ".join(printable(str(each["id"])) for each in found)
    raise Failure(
        f"several {what}s have the {by} {printable(value)}: say which by its id, of {ids}"
    )
