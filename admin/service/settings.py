"""Settings that change at run time: who may see and change them. (Tested over HTTP, by
tests/admin/api/test_settings.py.)"""

from __future__ import annotations

from dataclasses import dataclass

from admin.service.base import Caller, Service, View, require_generally
from admin.service.errors import Refused
from admin.service.permissions import Right, Rights, Subject, general_standing, rights
from proxy.domain.model import Action
from proxy.domain.settings import SETTINGS, Setting, value_of


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting and the value that is in force."""

    setting: Setting
    value: str


class SettingService(Service):
    """Reads and changes settings."""

    async def list(self, caller: Caller) -> list[View[SettingValue]]:
        """List all settings. Raises `Refused`."""
        allowed = _rights(caller)
        require_generally(allowed, Right.SEE)
        stored = await self._store.settings()
        return [
            View(SettingValue(setting, value_of(name, stored)), _actions(allowed))
            for name, setting in SETTINGS.items()
        ]

    async def get(self, caller: Caller, name: str) -> View[SettingValue]:
        """Get a setting. Raises `Refused`."""
        for view in await self.list(caller):
            if view.record.setting.name == name:
                return view
        raise Refused("NotFound")

    async def edit(self, caller: Caller, name: str, value: str) -> View[SettingValue]:
        """Set a value, which is in force from the next request on. Raises `Refused`."""
        async with self._change(caller) as change:
            allowed = _rights(change.caller)
            require_generally(allowed, Right.SEE)
            setting = SETTINGS.get(name)
            if setting is None:
                raise Refused("NotFound")
            require_generally(allowed, Right.EDIT)
            try:
                setting.check(value)
            except ValueError as error:
                raise Refused("InvalidFormat", f"value {error}", field="value") from None
            before = value_of(name, await change.tx.settings())
            await change.note("setting.update", name, {"value": before}, {"value": value})
            await change.tx.put_setting(name, value)
        return View(SettingValue(setting, value), _actions(allowed))


def _actions(allowed: Rights) -> tuple[Action, ...]:
    return (Action.UPDATE,) if Right.EDIT in allowed else ()


def _rights(caller: Caller) -> Rights:
    return rights(general_standing(caller.owner), caller.role, Subject.SETTING)
