"""Reads from a proxy's question what the original request is, in place of the proxy's own.

The rule that lives here: what follows from the original request (route, credentials, client) is
read of that; what follows from the connection (where a message ends, whether it is kept) of the
proxy's request.

Tested in `tests/proxy/gateway/test_forward_auth.py`.
"""

from __future__ import annotations

from typing import Final

from proxy.auth.access_request import AccessRequest
from proxy.gateway.head_reader import HeadReader
from proxy.gateway.memo import Memo
from proxy.gateway.runtime import ForwardAuth, Runtime
from proxy.http1.faults import Fault, Malformed
from proxy.http1.fields import RequestFields
from proxy.http1.forwarding import Peer
from proxy.http1.grammar import RequestLine, request_line
from proxy.http1.head import WEBSOCKET, Head
from proxy.http1.original import original_client, original_line, told_line
from proxy.telemetry.accesslog import quote, requested_badly

_NOT_TOLD: Final = RequestLine(b"", b"*", None, 1, frozenset())


class OriginalHead(Head):
    """The head of an original request, on the proxy's connection."""

    __slots__ = ("told",)

    def __init__(self, line: bytes, fields: RequestFields, runtime: Runtime) -> None:
        """`line` is that of the proxy's request. Raises `Malformed` for that alone: what is wrong
        with the original request is its `fault`."""
        own, fault = request_line(line), None
        self.told = b""
        """The line of the original request, as it was told."""
        try:
            self.told = told_line(line, fields, settings_of(runtime).convention)
            request = original_line(self.told, runtime.limits.line_size)
        except Malformed as malformed:
            request, fault = _NOT_TOLD, malformed.fault
        super().__init__(line, request, fields)
        self.fault = self.fault or fault
        self.head_only = own.method == b"HEAD"
        self.keep = self.keep and own.minor == 1


class OriginalMemo(Memo):
    """An original request, and what follows from it."""

    __slots__ = ()

    def _read(self, peer: Peer, runtime: Runtime) -> None:
        settings, fields = settings_of(runtime), self.head.fields
        self.forwarding = original_client(
            fields,
            peer,
            settings.convention,
            lambda address: settings.is_peer(address) or runtime.is_trusted(address),
        )
        self.agent = quote(fields.agent)
        self._identify()

    def _identify(self) -> None:
        super()._identify()
        head = self.head
        if head.fault is not None and isinstance(head, OriginalHead):
            self.requested = requested_badly(self.forwarding.client, head.told)

    def _access(self) -> AccessRequest:
        access = super()._access()
        if access.upgrade is None and b"sec-websocket-key" in self.head.fields.noted:
            # Traefik does not pass Upgrade on, which is for one hop only, but its API gets it.
            access.upgrade = WEBSOCKET.decode()
        return access


class OriginalReader(HeadReader):
    """Reads the original requests that are asked about on one connection."""

    __slots__ = ()
    memo_of = OriginalMemo

    def read(self, data: bytes, runtime: Runtime, peer: Peer) -> tuple[Memo, bytes] | None:
        """As `HeadReader.read`. A peer that may not ask is refused before anything is read."""
        if not peer.trusted:
            raise Malformed(Fault.ASKED_BY)
        return super().read(data, runtime, peer)

    def _head(
        self, line: bytes, block: bytes, fields: RequestFields | None, runtime: Runtime
    ) -> Head:
        table = settings_of(runtime).fields
        return OriginalHead(line, fields or RequestFields(block, table), runtime)


def settings_of(runtime: Runtime) -> ForwardAuth:
    """The settings of forward-auth, without which nobody listens for it."""
    assert runtime.forward_auth is not None
    return runtime.forward_auth
