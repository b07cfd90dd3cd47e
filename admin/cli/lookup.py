"""Finds a resource by what people call it: an id, or a name that the admin server looks up.

The rule that lives here: an id comes first, then what is unique (a slug, an access key), then the
name. Names need not be unique: of several resources with one name, none is taken.

Tested by the commands that take a name: `test_accounts.py`, `test_keys.py`, `test_members.py`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from admin.cli.admin_client import AdminClient
from admin.cli.errors import CommandError, NotFound
from admin.cli.printable import printable
from proxy.domain.settings import SETTINGS

if TYPE_CHECKING:
    from admin.cli.admin_client import Json

_OWNER_ID = re.compile("1a[1-9][0-9]{0,17}")
_KEY_ID = re.compile("1c[1-9][0-9]{0,17}")
_SUBJECT = re.compile("1[acm][1-9][0-9]{0,17}")


def find_environment(client: AdminClient, name: str) -> Json:
    """The environment with this id, slug or name. Raises `CommandError`."""
    if _OWNER_ID.fullmatch(name):
        return _by_id(client, "environment", f"/projects/{name}")
    return _only_one(client, "environment", "/projects", name, slug="slug", name="name")


def find_account(client: AdminClient, name: str) -> Json:
    """The account with this id or name. Raises `CommandError`."""
    if _OWNER_ID.fullmatch(name):
        return _by_id(client, "account", f"/accounts/{name}")
    return _only_one(client, "account", "/accounts", name, name="name")


def find_key(client: AdminClient, name: str, environment: str | None = None) -> Json:
    """The key with this id, access key or name, among those of `environment` if it is given.

    Raises `CommandError`.
    """
    path = "/apikeys"
    if environment is not None:
        path = f"/projects/{environment_id(client, environment)}/apikeys"
    if _KEY_ID.fullmatch(name):
        return _by_id(client, "key", f"{path}/{name}")
    return _only_one(client, "key", path, name, publicValue="access key", name="name")


def presented_key(client: AdminClient) -> Json:
    """The key that the command itself presents. Raises `CommandError`."""
    return _only_one(client, "key", "/apikeys", client.presented, publicValue="access key")


def environment_id(client: AdminClient, name: str) -> str:
    """The id of an environment. Raises `CommandError`."""
    return str(find_environment(client, name)["id"])


def account_id(client: AdminClient, name: str) -> str:
    """The id of an account. Raises `CommandError`.

    An id is returned as it is, because the caller may name an account that it cannot see.
    """
    return name if _OWNER_ID.fullmatch(name) else str(find_account(client, name)["id"])


def key_id(client: AdminClient, name: str) -> str:
    """The id of a key; an id is returned as it is. Raises `CommandError`."""
    return name if _KEY_ID.fullmatch(name) else str(find_key(client, name)["id"])


def subject_id(client: AdminClient, name: str) -> str:
    """The id that the audit log has for a key, an environment or an account with this name.

    An id is returned as it is, because the resource may be gone; so is the name of a setting.
    Raises `CommandError`.
    """
    if _SUBJECT.fullmatch(name) or name in SETTINGS:
        return name
    found = []
    for find in (find_key, find_environment, find_account):
        with suppress(NotFound):
            found.append(str(find(client, name)["id"]))
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"there is no key, environment or account {printable(name)}")
    raise CommandError(f"{printable(name)} may be {' or '.join(found)}: use the id")


def _by_id(client: AdminClient, what: str, path: str) -> Json:
    try:
        return client.get(path)
    except NotFound:
        raise _not_found(what, path.rpartition("/")[2]) from None


def _only_one(client: AdminClient, what: str, path: str, value: str, /, **fields: str) -> Json:
    """The one resource in which the first of `fields` that any has is `value`; each field stands
    with what people call it. Raises `CommandError`."""
    for field, by in fields.items():
        found = list(client.all(path, {field: value}, limit=20))
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(printable(str(each["id"])) for each in found)
            name = printable(value)
            raise CommandError(
                f"several {what}s have the {by} {name}: use an id instead, one of {ids} "
                f"(`wardgate {what}s list --name '{name}'` shows them)"
            )
    raise _not_found(what, f"with the {' or '.join(fields.values())} {printable(value)}")


def _not_found(what: str, which: str) -> NotFound:
    hint = f"`wardgate {what}s list` shows those that you may see"
    if what == "key":
        hint += ", with --environment ENV those of an environment"
    return NotFound(f"there is no {what} {which}: {hint}; removed ones are found by their id alone")
