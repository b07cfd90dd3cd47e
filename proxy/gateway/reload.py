"""Which settings a reload changes while the gateway serves, and which wait for a restart.

The rule that lives here: what another configuration cannot change while the process runs is taken
over from the one in use, so that nothing works by a setting that has no effect.

Tested in `tests/test_reload.py`.
"""

from __future__ import annotations

from typing import Final

from proxy.config.model import Admin, Config

KEPT: Final = {
    "listen": "restart to apply",
    "forward_auth": "restart to apply",
    "workers": "restart to apply",
    "store": "restart to apply",
    "postgres": "restart to apply",
    "cluster": "restart to apply",
    "bcrypt_rounds": "restart to apply",
    "audit_retention": "restart to apply",
    "usage_retention": "restart to apply",
    "tracing": "restart to apply",
    "access_control": "it counts only when the store is created: "
    "use `wardgate settings set access_control`",
}
"""Settings that a reload does not change, and how to change them."""
KEPT_OF_ADMIN: Final = {"listen": "restart to apply"}


def merge(running: Config, given: Config) -> tuple[Config, list[str]]:
    """(the configuration to use after `running`, a line for each setting of `given` that it does
    not have)."""
    kept, lines = _kept(running, given, KEPT)
    old, new = running.admin, given.admin
    if old is not None and new is not None:
        kept_of_admin, lines_of_admin = _kept(old, new, KEPT_OF_ADMIN)
        kept["admin"] = new.model_copy(update=kept_of_admin)
        lines += (f"admin.{line}" for line in lines_of_admin)
    elif old is not new:
        kept["admin"] = old
        lines.append(_line("admin", "restart to apply"))
    return given.model_copy(update=kept), lines


def _kept(
    old: Config | Admin, new: Config | Admin, names: dict[str, str]
) -> tuple[dict[str, object], list[str]]:
    """(the settings of `old` with these names, a line for each that differs from that of `new`)."""
    kept = {name: getattr(old, name) for name in names}
    changed = [name for name in names if getattr(new, name) != kept[name]]
    return kept, [_line(name, names[name]) for name in changed]


def _line(name: str, how: str) -> str:
    return f"{name} has changed, and is kept as it was: {how}"
