"""What the gateway knows of its upstreams: who may see it. (Tested over HTTP, by
tests/admin/api/test_upstreams.py.)"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from admin.service.base import Caller, View, require_generally
from admin.service.errors import Refused
from admin.service.permissions import Right, Subject, general_standing, rights
from proxy.targets.status import UpstreamStatus


class UpstreamService:
    """Shows the upstreams to those who see the settings: admins and readAdmins."""

    def __init__(self, upstreams: Callable[[], Sequence[UpstreamStatus]]) -> None:
        self._upstreams = upstreams

    def list(self, caller: Caller) -> list[View[UpstreamStatus]]:
        """All upstreams. Raises `Refused`."""
        allowed = rights(general_standing(caller.owner), caller.role, Subject.SETTING)
        require_generally(allowed, Right.SEE)
        return [View(each) for each in self._upstreams()]

    def get(self, caller: Caller, name: str) -> View[UpstreamStatus]:
        """One of them. Raises `Refused`."""
        for view in self.list(caller):
            if view.record.name == name:
                return view
        raise Refused("NotFound")
