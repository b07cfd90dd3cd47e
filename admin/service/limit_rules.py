"""Who may set which limits: what a key makes or edits is never wider than the key itself.

The limits of an account or an environment bound all of its keys, so only admins set them. A user's
key that makes one for an environment takes the bound of its account there.

Tested in `tests/admin/service/test_limit_rules.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from admin.service.base import Caller, Edit
from admin.service.errors import Refused
from admin.service.permissions import Standing, general_standing
from proxy.domain.limits import Limits, limits_json, narrowed, wider_parts
from proxy.domain.model import Account, Environment


def limits_for(caller: Caller, owner: Account | Environment, given: Limits | None) -> Limits:
    """The limits of a new key of `owner`; those of the caller where none are given. Raises
    `Refused`."""
    if given is None:
        given = caller.limits
        for bound in _bounds(caller, owner):
            given = narrowed(given, bound)
    require_within(caller, owner, given)
    return given


def require_within(caller: Caller, owner: Account | Environment, limits: Limits) -> None:
    """Raise `Refused` where a key of `owner` would be wider than the presented one."""
    for bound in _bounds(caller, owner):
        for part in wider_parts(limits, bound):
            raise _too_wide(part, bound)


def _bounds(caller: Caller, owner: Account | Environment) -> Iterator[Limits]:
    """What the caller itself is limited to, as far as that does not bound keys of `owner` anyway.
    An admin could change the limits of its account."""
    yield caller.limits
    if caller.owner.ref != owner.ref and general_standing(caller.owner) is not Standing.ADMIN:
        yield caller.owner.limits


def require_admitted(caller: Caller, now: int) -> None:
    """Raise `Refused` where the key itself may not be used from the caller's address, or not now,
    in milliseconds since the epoch. Its other limits, and those of its owner, are the gateway's:
    who sets them wrongly must be able to change them."""
    limits = caller.limits
    if not limits.enforce:
        return
    if not limits.admits(caller.address):
        raise Refused("Forbidden", "this key may not be used from your address")
    if limits.window is not None and not limits.window.is_open(now):
        raise Refused("Forbidden", f"this key may be used {limits.window} in UTC")


def judge_bound(caller: Caller, old: Limits, edit: Edit) -> Edit:
    """Check that the caller may edit the limits of an account or an environment in this way.
    Returns what changes. Raises `Refused`."""
    if edit.get("limits", old) == old:  # a client may send the whole resource back
        return {name: value for name, value in edit.items() if name != "limits"}
    if general_standing(caller.owner) is not Standing.ADMIN:
        detail = "only admins may change the limits of an account or an environment"
        raise Refused("Forbidden", detail, field="limits")
    bound, looser = caller.limits, set(wider_parts(edit["limits"], old))
    for part in wider_parts(edit["limits"], bound):
        if part in looser:
            raise _too_wide(part, bound)
    return edit


def _too_wide(part: str, bound: Limits) -> Refused:
    own = limits_json(bound).get(part, True)
    shown = ", ".join(own) if isinstance(own, list) else str(own).lower()
    detail = f"a key cannot make or change anything that is wider than itself: its {part} is "
    return Refused("Forbidden", detail + shown, field=f"limits.{part}")
