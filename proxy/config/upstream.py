"""The settings of an upstream: where it is, how to connect to it, and what it is sent.

Tested in `tests/proxy/config/test_model.py`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    SecretStr,
)

from proxy.config import values
from proxy.config.resolve import Resolve
from proxy.config.settings import Count, Fault, FileSettings, ReadableFile, Seconds, line_of
from proxy.config.targets import (
    Balance,
    Breaker,
    Checks,
    Ejection,
    Retries,
    SecondsOrNone,
    Target,
    Targets,
)
from proxy.config.tls import PairError, client_context, present
from proxy.config.values import UpstreamUrl

EXPECTED: Final = 8
"""To how many servers a name is taken to resolve, where file handles are shared out."""


class Upstream(FileSettings):
    """An API behind the gateway, and how to connect to it."""

    url: Annotated[UpstreamUrl, PlainValidator(values.upstream_url)] | None = None
    resolve: Resolve | None = None
    targets: Targets | None = None
    balance: Balance = "least_requests"
    """Envoy's LEAST_REQUEST and Linkerd do the same; nginx, HAProxy and Caddy by default take turns
    or dice, and send as much to a slow target as to a fast one."""
    slow_start: SecondsOrNone = 0
    """Off, as in Envoy and HAProxy: how long an API takes to warm up, only its owner knows."""
    retries: Retries = Retries()
    ejection: Ejection | None = Ejection()
    checks: Checks | None = None
    breaker: Breaker | None = None
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
    max_age: Seconds | None = None
    """None, as in Envoy and Go; nginx: 3600 (keepalive_time)."""
    max_requests: Annotated[Count, Field(ge=1)] | None = None
    """None, as in Envoy and Go; nginx: 1000 (keepalive_requests)."""
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
    def servers(self) -> Sequence[Target]:
        """Its targets: those that are listed, or the one at `url`, where it has `resolve` too."""
        if self.targets is not None:
            return self.targets
        return () if self.url is None else (Target.model_construct(url=self.url),)

    @property
    def connections(self) -> int:
        """How many connections it may have in all, if there are enough file handles."""
        if self.resolve is not None:
            return self.max_connections * EXPECTED
        return sum(each.max_connections or self.max_connections for each in self.servers)

    @property
    def verified_name(self) -> str | None:
        """The name that a certificate has to have; None: the host that is connected to."""
        if self.server_name is None and self.resolve is not None and self.url is not None:
            return self.url.host if self.tls else None
        return self.server_name

    @property
    def tls(self) -> bool:
        """Whether to connect with TLS."""
        return any(each.url.tls for each in self.servers)

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
        yield from self._faults_of_targets()
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

    def _faults_of_targets(self) -> Iterator[Fault]:
        if self.targets is None:
            if self.url is None:
                yield "url", "is required, or targets in its place"
            if self.resolve is not None:
                if self.url is not None and (self.url.host is None or values.is_ip(self.url.host)):
                    yield "resolve", "needs a url with a host name"
                return
            for name in ("balance", "slow_start", "retries", "ejection"):
                if name in self.model_fields_set:
                    yield name, "needs targets or resolve: there is nothing to choose for one url"
            return
        if self.resolve is not None:
            yield "resolve", "contradicts targets; remove one of them"
        if self.url is not None:
            yield "url", "is short for targets with one url: use only one of the two"
        urls = [each.url for each in self.targets]
        if len(set(urls)) < len(urls):
            yield "targets", "should not list one url twice: give it a weight instead"
        if len({url.tls for url in urls}) > 1:
            yield "targets", "should all be https://, or none of them"
