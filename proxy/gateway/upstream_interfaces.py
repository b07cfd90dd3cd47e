"""What an upstream's connection and its pool need of their users, each as a narrow interface.

There is nothing to test: these are protocols, which mypy checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from proxy.gateway.failures import UpstreamFailure
from proxy.http1.response_head import Response

if TYPE_CHECKING:
    from proxy.gateway.pool import Pool
    from proxy.gateway.upstream import UpstreamConnection


class Receiver(Protocol):
    """What an upstream's connection feeds: an exchange, or the tunnel that it became."""

    def upstream_data(self, data: bytes) -> None:
        """A piece of the response's body, or of what the tunnel carries."""

    def upstream_lost(self, failure: UpstreamFailure) -> None:
        """The connection has ended before the response did."""

    def upstream_blocked(self, blocked: bool) -> None:
        """Whether the upstream now reads more slowly than the gateway writes."""


class ResponseHandler(Receiver, Protocol):
    """What an upstream's connection calls for a request: an exchange."""

    head_only: bool
    """Whether the response has no body whatever its fields say (RFC 9112 section 6.3)."""
    offered: bytes | None
    """The protocol that the client offered, if the route allows it."""

    tried: tuple[Pool, ...]
    """The pools of the targets that have failed the request so far."""

    @property
    def request_sent(self) -> bool:
        """Whether all of the request was sent to the upstream."""

    @property
    def method(self) -> bytes:
        """The method of the request."""

    @property
    def whole(self) -> bool:
        """Whether all that was sent of the request is still there, to be sent again."""

    @property
    def affinity(self) -> bytes:
        """Whose request it is: those of one client or key may go to one target."""

    def connected(self, upstream: UpstreamConnection) -> None:
        """There is a connection: send the request."""

    def upstream_doubted(self) -> None:
        """The target does not seem to be well: whoever can should go to another one."""

    def interim(self, response: Response) -> None:
        """An interim (1xx) response."""

    def respond(self, response: Response, whole: bytes = b"") -> None:
        """The head of the final response; `whole` is all of its body, if it has arrived too."""

    def response_end(self) -> None:
        """The response is complete."""

    def switched(self, response: Response, rest: bytes) -> None:
        """A 101: from now on it is a tunnel, and `rest` are its first bytes."""


class Relay(Receiver, Protocol):
    """What an upstream's connection calls for a tunnel."""

    def upstream_eof(self) -> None:
        """The upstream sends no more."""
