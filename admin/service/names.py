"""The records that a page of ids stands for, as far as the caller may see them.

(Tested by tests/admin/service/test_names.py.)
"""

from __future__ import annotations

from collections.abc import Collection

from admin.service.base import Caller
from admin.service.key_rules import owner_id_of
from admin.service.permissions import (
    Right,
    Subject,
    rights,
    standing_in_environment,
    standing_to_account,
)
from proxy.domain.model import Account, Environment, Key, State
from proxy.store.protocols import Reader


async def visible_records(
    reader: Reader, caller: Caller, owner_ids: Collection[int], key_ids: Collection[int]
) -> list[Account | Environment | Key]:
    """The accounts and environments with `owner_ids`, and the keys with `key_ids`, that the caller
    could get one by one: removed ones too, but none that is purged. Raises `StoreUnavailable`.

    It takes four statements, however many ids there are.
    """
    keys = await reader.get_keys(key_ids)
    owners = await reader.get_owners({*owner_ids, *map(owner_id_of, keys.values())})
    environments = [number for number, each in owners.items() if isinstance(each, Environment)]
    memberships = await reader.get_memberships(caller.owner.id, environments)

    def sees(owner: Account | Environment, of_account: Subject, of_environment: Subject) -> bool:
        if isinstance(owner, Account):
            standing, subject = standing_to_account(caller.owner, owner.id), of_account
        else:
            membership = memberships.get(owner.id)
            standing = standing_in_environment(caller.owner, owner.id, membership)
            subject = of_environment
        return Right.SEE in rights(standing, caller.role, subject)

    seen_owners = [
        owner
        for number in owner_ids
        if (owner := owners.get(number)) and sees(owner, Subject.ACCOUNT, Subject.ENVIRONMENT)
    ]
    seen_keys = [
        key
        for key in keys.values()
        if (owner := owners.get(owner_id_of(key)))
        and sees(owner, Subject.ACCOUNT_KEY, Subject.ENVIRONMENT_KEY)
    ]
    return [each for each in (*seen_owners, *seen_keys) if each.state is not State.PURGED]
