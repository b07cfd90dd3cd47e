"""Finds a resource by what people call it: an id, or a name that the admin server looks up.

Tested by the commands that take a name: `test_accounts.py`, `test_keys.py`, `test_members.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from admin.cli.admin_client import AdminClient
from admin.cli.errors import CommandError, NotFound
from admin.cli.printable import printable

if TYPE_CHECKING:
    from admin.cli.admin_client import Json

_OWNER_ID = re.compile("1a[1-9][0-9]{0,17}")
_ACCESS_KEY = {"publicValue": "access key"}
_KEY_ID = re.compile("1c[1-9][0-9]{0,17}")


def find_environment(client: AdminClient, name: str) -> Json:
    """The environment with this id, slug or name. Raises `CommandError`."""
    if _OWNER_ID.fullmatch(name):
        return _by_id(client, "environment", f"/projects/{name}")
    return _only_one(client, "environment", "/projects", name, {"slug": "slug", "name": "name"})


def find_account(client: AdminClient, name: str) -> Json:
    """The account with this id or name. Raises `CommandError`."""
    if _OWNER_ID.fullmatch(name):
        return _by_id(client, "account", f"/accounts/{name}")
    return _only_one(client, "account", "/accounts", name, {"name": "name"})


def find_key(client: AdminClient, name: str, environment: str | None = None) -> Json:
    """The key with this id, access key or name, among those of `environment` if it is given.

    Raises `CommandError`.
    """
    path = "/apikeys"
    if environment is not None:
        path = f"/projects/{environment_id(client, environment)}/apikeys"
    if _KEY_ID.fullmatch(name):
        return _by_id(client, "key", f"{path}/{name}")
    return _only_one(client, "key", path, name, _ACCESS_KEY | {"name": "name"})


def presented_key(client: AdminClient) -> Json:
    """The key that the command itself presents. Raises `CommandError`."""
    return _only_one(client, "key", "/apikeys", client.presented, _ACCESS_KEY)


def environment_id(client: AdminClient, name: str) -> str:
    """The id of an environment. Raises `CommandError`."""
    return str(find_environment(client, name)["id"])


def account_id(client: AdminClient, name: str) -> str:
    """The id of an account. Raises `CommandError`.

    An id is returned as it is, because the caller may name an account that it cannot see.
    """
    return name if _OWNER_ID.fullmatch(name) else str(find_account(client, name)["id"])


def key_id(client: AdminClient, name: str) -> str:
    """The id of a key. Raises `CommandError`. An id is returned as it is, as by `account_id`."""
    return name if _KEY_ID.fullmatch(name) else str(find_key(client, name)["id"])


def _by_id(client: AdminClient, what: str, path: str) -> Json:
    try:
        return client.get(path)
    except NotFound:
        raise _not_found(what, path.rpartition("/")[2]) from None


def _only_one(
    client: AdminClient, what: str, path: str, value: str, fields: Mapping[str, str]
) -> Json:
    """The one resource in which `value` is in the first of `fields` (API name → words) that finds
    any. Raises `CommandError`."""
    for field, words in fields.items():
        found = list(client.all(path, {field: value}, limit=20))
        if len(found) == 1:
            return found[0]
        if found:
            which = ", ".join(_candidate(each) for each in found)
            raise CommandError(
                f"several {what}s have the {words} {printable(value)}: "
                f"use an id instead, one of {which}"
            )
    which = f"with the {' or '.join(fields.values())} {printable(value)}"
    raise _not_found(what, which, "; a removed one is found only by its id")


def _candidate(resource: Json) -> str:
    """What tells a resource from others of its name: its id, and its slug, access key or kind."""
    more = resource.get("slug") or resource.get("publicValue") or resource.get("kind")
    return printable(f"{resource['id']} ({more})" if more else str(resource["id"]))


def _not_found(what: str, which: str, more: str = "") -> NotFound:
    hint = f"`wardgate {what}s list` shows those that you may see"
    if what == "key":
        hint += ", with --environment ENV those of an environment"
    return NotFound(f"there is no {what} {which}: {hint}{more}")
