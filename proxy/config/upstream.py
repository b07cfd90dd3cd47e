"""The settings of an upstream: where it is, how to connect to it, and what it is sent.

Tested in `tests/proxy/config/test_model.py`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    SecretStr,
)

from proxy.config import values
from proxy.config.settings import Count, Fault, FileSettings, ReadableFile, Seconds, line_of
from proxy.config.tls import PairError, client_context, present
from proxy.config.values import UpstreamUrl


class Upstream(FileSettings):
    """An API behind the gateway, and how to connect to it."""

    url: Annotated[UpstreamUrl, PlainValidator(values.upstream_url)]
    connect_timeout: Seconds = 3
    """Caddy: 3 (dial_timeout); nginx: 60."""
    first_byte_timeout: Seconds = 60
    """nginx: 60 (proxy_read_timeout)."""
    idle_timeout: Seconds = 300
    """Envoy: 300 (stream_idle_timeout)."""
    keepalive_timeout: Seconds = 4
    """Less than the 5 of uvicorn and node.js, so that it is the gateway that closes."""
    max_connections: Annotated[Count, Field(ge=1, le=65535)] = 512
    """nginx: 512 (worker_connections); Envoy: 1024 (max_connections of a cluster)."""
    queue: Annotated[Count, Field(ge=0, le=1_000_000)] = 1024
    """Envoy: 1024 (max_pending_requests of a cluster)."""
    verify: bool = True
    ca_file: ReadableFile | None = None
    server_name: Annotated[str, BeforeValidator(values.host_name)] | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    authorization: Literal["strip", "forward"] = "strip"
    """The client's secret is for the gateway; an upstream that saw it could act as the client."""
    authorization_file: Path | None = None
    preserve_host: bool = False
    """nginx and Apache httpd send the upstream's own name too; Caddy and HAProxy the client's."""
    reuse: Literal["always", "safe"] = "safe"
    """nginx before 1.29.7 never used a connection again; now it does, as Envoy and Caddy do. With
    `safe` a small POST takes four times as much CPU; without it, a key of one environment acts in
    every other where the upstream answers a POST without reading its body."""
    redirects: Literal["rewrite", "pass"] = "rewrite"
    """nginx: rewrite (proxy_redirect default); Apache httpd and Caddy: pass."""

    _authorization_value: SecretStr | None = PrivateAttr(None)
    _context: ssl.SSLContext | None = PrivateAttr(None)

    @property
    def authorization_value(self) -> SecretStr | None:
        """The content of `authorization_file`: the value of Authorization for this upstream."""
        return self._authorization_value

    @property
    def context(self) -> ssl.SSLContext | None:
        """The context that verifies it, with what was in `ca_file`; None without TLS."""
        return self._context

    @property
    def host(self) -> str | None:
        """The host to connect to, None for a Unix socket."""
        return self.url.host

    @property
    def port(self) -> int | None:
        """The port to connect to, None for a Unix socket."""
        return self.url.port

    @property
    def tls(self) -> bool:
        """Whether to connect with TLS."""
        return self.url.tls

    @property
    def unix_path(self) -> str | None:
        """The Unix socket to connect to, None for a host."""
        return self.url.unix_path

    @property
    def authority(self) -> str:
        """The upstream's own name, for the Host field (RFC 9110 section 7.2)."""
        return self.url.authority

    def rules(self) -> Iterator[Fault]:
        faults = list(self._contradictions())
        contradicted = {name for name, _ in faults}
        faults += (fault for fault in super().rules() if fault[0] not in contradicted)
        wrong = {name for name, _ in faults}
        if self.tls:
            faults += self._secure(wrong)
        if self.authorization_file is not None and "authorization_file" not in wrong:
            try:
                self._authorization_value = line_of(self.authorization_file)
            except ValueError as error:
                faults.append(("authorization_file", str(error)))
        yield from faults

    def _secure(self, wrong: Set[str]) -> Iterator[Fault]:
        """Make the context, with as many of its files as are not `wrong` already."""
        try:
            ca_file = None if "ca_file" in wrong else self.ca_file
            context = client_context(ca_file, verify=self.verify)
        except OSError:
            yield "ca_file", "the file holds no certificates"
            return
        certificate, key = self.client_certificate, self.client_key
        if certificate and key and wrong.isdisjoint({"client_certificate", "client_key"}):
            try:
                present(context, certificate, key)
            except PairError as error:
                yield f"client_{error.part}", str(error)
        self._context = context  # in use only if nothing is wrong: see `reread`

    def _contradictions(self) -> Iterator[Fault]:
        if (self.client_certificate is None) is not (self.client_key is None):
            missing = "client_key" if self.client_key is None else "client_certificate"
            yield missing, "is required: the client certificate and its key belong together"
        if not self.tls:
            for name in ("ca_file", "server_name", "client_certificate", "client_key"):
                if getattr(self, name) is not None:
                    yield name, "needs an https:// url"
        if self.ca_file is not None and not self.verify:
            yield "ca_file", "has no effect while verify is off: remove one of them"
        if self.authorization_file is not None and self.authorization == "forward":
            yield "authorization_file", "contradicts authorization: forward; remove one of them"
