"""What a new key can act for: the accounts and environments for which one may create keys.

Tested in `tests/admin/console/test_offers.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from admin.api.schemas import REF
from admin.console.base import OFFERED, Page
from admin.service.errors import Refused
from proxy.domain.model import Role
from proxy.store.query import Query

_READ: Final = 100
"""Environments that are read at once."""
_READS: Final = 5
"""How often, at most: where one may create keys in few of very many, the others are named."""


class KeyOwner(NamedTuple):
    """An account or environment that a new key can belong to."""

    id: str
    text: str
    """What the form calls it."""
    role: Role
    """The strongest role that the key can have."""


@dataclass(frozen=True, slots=True)
class KeyOwners:
    """What the form for a new key offers."""

    offered: Sequence[KeyOwner]
    more: bool
    """Whether there may be other environments."""

    @property
    def strongest(self) -> Role:
        """The strongest role of a key of any of them."""
        roles = [each.role for each in self.offered]
        return next((role for role in Role if role in roles), Role.OWNER)


async def key_owners(opened: Page, wanted: str) -> KeyOwners:
    """What a new key can act for; among that `wanted`, an id in the API, if it is one. Raises
    `Refused` where there is nothing, and where a link leads to the form for something else."""
    own = opened.owner
    roles = await _roles(opened, [own.ref, wanted])
    offered = []
    if own.ref in roles:
        text = "Your account, in every environment that it reaches"
        offered.append(KeyOwner(own.ref, text, roles[own.ref]))
    environments, more = await _environments(opened)
    if wanted in roles and wanted not in {own.ref, *(each.id for each in environments)}:
        offered.append(KeyOwner(wanted, await _text_of(opened, wanted), roles[wanted]))
    elif wanted not in roles and opened.request.query.get("accountId"):
        raise Refused("Forbidden", await _why_not(opened, wanted))
    offered += environments
    if not offered:
        raise Refused("Forbidden", _NOWHERE)
    return KeyOwners(offered, more)


_NOWHERE: Final = (
    "what you have logged in with may see keys, not create them: log in with a key of the role "
    "owner or member"
)


async def _environments(opened: Page) -> tuple[list[KeyOwner], bool]:
    """The first few environments for which one may create keys, and whether there may be others;
    the one in the header is the first."""
    resource, context = opened.resources.environments, opened.context
    query, found = Query("name", limit=_READ), list[KeyOwner]()
    first = [opened.chosen] if opened.chosen is not None else []
    read = [(each["id"], each["name"]) for each in first]
    for _ in range(_READS):
        listing = await resource.list(context, query)
        read += [(view.record.ref, view.record.name) for view in listing.views]
        roles = await _roles(opened, [ref for ref, _ in read])
        known = {each.id for each in found}
        for ref, name in dict(read).items():
            if ref in roles and ref not in known:
                found.append(KeyOwner(ref, f"The environment {name} alone", roles[ref]))
        if listing.next is None or len(found) > OFFERED:
            break
        query, read = replace(query, after=listing.next), []
    return found[:OFFERED], listing.next is not None or len(found) > OFFERED


async def _roles(opened: Page, refs: Sequence[str]) -> dict[str, Role]:
    """Of these ids those for which one may create keys, each with the strongest role."""
    numbers = [int(match[1]) for ref in refs if (match := REF.fullmatch(ref))]
    roles = await opened.resources.keys.strongest_roles(opened.context, numbers)
    return {f"1a{number}": role for number, role in roles.items()}


async def _text_of(opened: Page, ref: str) -> str:
    name = (await opened.resources.names_of(opened.context, [ref])).get(ref)
    if name is not None and name.type == "project":
        return f"The environment {name.text} alone"
    return f"The account {name.text if name else ref}"


async def _why_not(opened: Page, ref: str) -> str:
    name = (await opened.resources.names_of(opened.context, [ref])).get(ref)
    if name is None:
        return f"you may not create keys for {ref[:40]}"
    return f"your role may see the keys of {name.text}, not create them"
