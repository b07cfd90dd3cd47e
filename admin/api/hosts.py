"""Which names the admin server answers to: a page elsewhere may have a name made to point here (DNS
rebinding), and a browser would then send its requests as if they were the admin server's own."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from admin.service.errors import Refused

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

_OWN_PORT: Final = {"http": ":80", "https": ":443"}
"""That a client may leave out, or not."""
_HOST: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names, each with or without a port, and the admin server's public URL if it has one."""

    names: Collection[str] = LOCAL
    public_url: str | None = None

    def origin(self, fields: list[str], scheme: str, own_address: str | None) -> str:
        """Scheme and host of the admin server for a request with these Host fields, as browsers and
        links have it; `own_address` is where it came in. Raises `Refused`."""
        match = _HOST.fullmatch(fields[0]) if len(fields) == 1 else None
        if match is None:
            raise Refused("BadRequest", "one valid Host is required")
        host, name = fields[0].lower(), match[1].lower()
        public_scheme, _, public_host = (self.public_url or "").partition("://")
        if public_host and host.removesuffix(_OWN_PORT[public_scheme]) == public_host:
            return f"{public_scheme}://{public_host}"
        if not {host, name} & {*self.names, *_written(own_address)}:
            raise Refused("MisdirectedRequest", "admin.hosts names the hosts that it answers to")
        return f"{scheme}://{host}"


def _written(address: str | None) -> tuple[str, ...]:
    """An IP address as it stands in a URL."""
    if address is None:
        return ()
    plain = address.removeprefix("::ffff:")
    return (f"[{plain}]" if ":" in plain else plain,)
