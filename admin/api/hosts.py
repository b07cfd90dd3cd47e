"""The host names that the admin server serves, and no others, against DNS rebinding.

A hostile web page can have its own name resolve to the admin server's address. A browser would then
send that page's requests here as requests of the same origin; but their Host is the page's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from admin.service.errors import Refused

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

_OWN_PORT: Final = {"http": ":80", "https": ":443"}
"""The ports that a client may leave out of Host or write into it."""
_HOST: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names, each with or without a port, and the admin server's public URL, if it has one."""

    names: Collection[str] = LOCAL
    public_url: str | None = None

    def origin(self, fields: list[str], scheme: str, own_address: str | None) -> str:
        """The admin server's origin (scheme and host) as a request with these Host fields names it.

        `own_address` is the address at which the request arrived, None at a Unix socket. Raises
        `Refused` for a name that is not served.
        """
        match = _HOST.fullmatch(fields[0]) if len(fields) == 1 else None
        if match is None:
            raise Refused("BadRequest", "exactly one valid Host is required")
        host, name = fields[0].lower(), match[1].lower()
        public_scheme, _, public_host = (self.public_url or "").partition("://")
        if public_host and host.removesuffix(_OWN_PORT[public_scheme]) == public_host:
            return f"{public_scheme}://{public_host}"
        if not {host, name} & {*self.names, *_in_url(own_address)}:
            raise Refused("MisdirectedRequest", "the setting admin.hosts lists the names")
        return f"{scheme}://{host}"

    def origin_of_links(self, origin: str) -> str:
        """What the links in the answer to a request to `origin` begin with."""
        return self.public_url or origin


def is_trustworthy(origin: str) -> bool:
    """Whether browsers trust an origin, as far as its text tells (Secure Contexts section 3.1):
    from others they ignore some header fields, and complain about them."""
    scheme, _, host = origin.partition("://")
    return scheme == "https" or re.sub(r":[0-9]+\Z", "", host) in LOCAL


def _in_url(address: str | None) -> tuple[str, ...]:
    """The forms of an IP address in a URL: none for None."""
    if address is None:
        return ()
    plain = address.removeprefix("::ffff:")
    return (f"[{plain}]" if ":" in plain else plain,)
