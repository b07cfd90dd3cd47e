"""The settings: each with its default, its bounds, and the rules within its group.

The groups `upstreams` and `routes` are in files of their own beside this one. A default is stated
here or there and nowhere else; the text below it names the precedent or the reason.
`config.example.yaml` explains each setting. Times are seconds, sizes bytes, and paths of files are
relative to the working directory.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    field_validator,
)

from proxy.config import values
from proxy.config.cluster import Cluster, Postgres
from proxy.config.cors import Credentials
from proxy.config.forward_auth import ForwardAuth
from proxy.config.oidc import Oidc
from proxy.config.route import DEFAULT_ROUTES, Route
from proxy.config.settings import (
    WEEK,
    Addresses,
    Bytes,
    Count,
    Fault,
    FileSettings,
    Listeners,
    ReadableFile,
    Seconds,
    Settings,
)
from proxy.config.tls import PairError, server_context
from proxy.config.tracing import Tracing
from proxy.config.upstream import Upstream
from proxy.config.values import Network
from proxy.config.webhooks import Webhook, webhook_name
from proxy.config.workers import Workers


class Tls(FileSettings):
    """The certificate (with its chain) and the private key of a listener, as PEM files."""

    certificate: ReadableFile
    key: ReadableFile

    _context: ssl.SSLContext = PrivateAttr()

    @property
    def context(self) -> ssl.SSLContext:
        """The context of the listener, with what was in the files."""
        return self._context

    def rules(self) -> Iterator[Fault]:
        unreadable = list(super().rules())
        if unreadable:
            yield from unreadable
            return
        try:
            self._context = server_context(self.certificate, self.key)
        except PairError as error:
            yield error.part, str(error)


class Admin(Settings):
    """The admin server, where keys are managed."""

    listen: Addresses
    tls: Tls | None = None
    hosts: list[Annotated[str, PlainValidator(values.host_field)]] | None = None
    public_url: Annotated[str, BeforeValidator(values.public_url)] | None = None
    oidc: Oidc | None = None
    webhooks: dict[Annotated[str, AfterValidator(webhook_name)], Webhook] = {}
    expiring_days: Annotated[
        list[Annotated[Count, Field(ge=1, le=365)]], Field(min_length=1, max_length=8)
    ] = [30, 7, 1]

    def rules(self) -> Iterator[Fault]:
        if self.oidc is None:
            return
        if self.public_url is None:
            yield "public_url", "is required with oidc: to it, the provider sends people back"
        elif not values.is_secure(self.public_url):
            yield "public_url", "should be https:// with oidc, unless it is a loopback address"


class Limits(Settings):
    """What one client, and all clients together, may use: time, bytes and connections."""

    head_timeout: Seconds = 10
    """HAProxy as Red Hat configures it: 10 (timeout http-request); Apache httpd: 20; nginx: 60."""
    head_size: Annotated[Bytes, Field(ge=1024, le=1 << 20)] = 65536
    """Tomcat: 8 KiB; node.js: 16 KiB; nginx: 4 × 8 KiB; Kestrel: 32 KiB; Envoy: 60 KiB. The most
    generous of them, for the upstream has a limit of its own."""
    line_size: Annotated[Bytes, Field(ge=256, le=1 << 20)] = 8192
    """nginx and Kestrel: 8 KiB; Apache httpd: 8190. RFC 9112 section 3 recommends 8000 or more."""
    fields: Annotated[Count, Field(ge=8, le=10_000)] = 100
    """Apache httpd, gunicorn, Kestrel and Envoy: 100."""
    body_size: Annotated[Bytes, Field(ge=0)] | None = None
    """None, as in Caddy and HAProxy: the gateway does not store bodies, and the API has its own
    limit. nginx: 1 MiB."""
    body_idle_timeout: Seconds = 30
    """Between Apache httpd's 20 (mod_reqtimeout) and nginx's 60 (client_body_timeout)."""
    body_min_rate: Annotated[Bytes, Field(ge=0, le=1 << 30)] = 100
    """Less than Kestrel's 240 and Apache httpd's 500 bytes a second, for slow mobile clients."""
    keepalive_timeout: Seconds = 75
    """nginx: 75."""
    stalled_reader_timeout: Seconds = 60
    """nginx: 60 (send_timeout)."""
    tunnel_idle_timeout: Seconds = 3600
    """Envoy: 3600 (idle_timeout of a TCP connection); HAProxy's manual: 3600 (timeout tunnel)."""
    connections: Annotated[Count, Field(ge=1, le=1_000_000)] = 16_000
    """With heads of 64 KiB, unfinished heads take 1 GiB at most. If the system gives fewer file
    handles, there are fewer connections (`gateway.admission`)."""
    connections_per_source: Annotated[Count, Field(ge=1, le=1_000_000)] = 1024
    """A sixteenth of all: many clients may share one address, but one address cannot take all."""
    drain_timeout: Annotated[float, Field(strict=True, ge=0, le=WEEK, allow_inf_nan=False)] = 30
    """gunicorn: 30 (graceful_timeout); Kubernetes: 30 (terminationGracePeriodSeconds)."""

    tunnel_drain: Annotated[float, Field(strict=True, ge=0, le=WEEK, allow_inf_nan=False)] = 5
    """Long enough for the answer to what was sent last; most WebSockets are silent for longer."""

    def rules(self) -> Iterator[Fault]:
        if self.line_size > self.head_size:
            yield "line_size", "should be at most head_size: a head holds its lines"


def _upstream_name(name: str) -> str:
    if not name or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789_-" for c in name):
        raise ValueError("the name of an upstream holds only small letters, digits, _ and -")
    return name


class Config(Settings):
    """All settings of one gateway and its admin server.

    Made by `config.load`, which also checks the routes against each other and the upstreams.
    """

    listen: Listeners
    tls: Tls | None = None
    public_url: Annotated[str, BeforeValidator(values.public_url)] | None = None
    upstreams: Annotated[
        dict[Annotated[str, AfterValidator(_upstream_name)], Upstream], Field(min_length=1)
    ]
    routes: Annotated[list[Route], Field(min_length=1)] = DEFAULT_ROUTES
    workers: Workers = 1
    """One is a process alone, without a master."""
    store: str = "sqlite:///var/wardgate.db"
    postgres: Postgres = Postgres()
    cluster: Cluster = Cluster()
    audit_retention: Annotated[Count, Field(ge=1, le=36_500)] | None = None
    """Days. None: an audit log is deleted only on purpose. PCI DSS 10.5.1 asks for a year."""
    usage_retention: Annotated[Count, Field(ge=1, le=36_500)] = 90
    """Days. Each counter takes some 80 bytes: there is one for each hour, key, route, method, class
    of status and reason that occurred."""
    expiry_notice_days: Annotated[Count, Field(ge=0, le=365)] = 0
    """Off: what clients get is then what the API answers, and nothing more."""
    admin: Admin | None = None
    forward_auth: ForwardAuth | None = None
    credentials: Credentials = ["basic"]
    """Off by default: Basic is what curl, browsers and libraries know."""
    via: bool = False
    """As in nginx, HAProxy, Envoy and Apache httpd (ProxyVia); Caddy sends it. RFC 9110 section
    7.6.3 requires it, but nginx as an upstream stops compressing where it sees one."""
    access_control: bool = True
    trusted_proxies: list[Annotated[Network, PlainValidator(values.network)]] = []
    strip_headers: list[Annotated[str, PlainValidator(values.stripped_field)]] = []
    limits: Annotated[Limits, BeforeValidator(lambda value: {} if value is None else value)] = (
        Limits()
    )
    bcrypt_rounds: Annotated[Count, Field(ge=4, le=15)] = 6
    """Passwords that people choose need 10 or more. New secrets have 170 random bits, which nobody
    guesses; at 6, the first use of each of a thousand keys takes seconds in total."""
    access_log: Annotated[str, Field(min_length=1)] = "-"
    access_log_refusals: Annotated[Count, Field(ge=1, le=1_000_000)] = 100
    """A line has some 250 bytes, and 3 KB at most (`accesslog.BRIEF`): a flood takes 2 GB a day, or
    26 where its paths and agents are long and no ASCII."""
    tracing: Tracing | None = None

    @field_validator("store")
    @classmethod
    def _check_store(cls, url: str) -> str:
        if not url.startswith(("sqlite:///", "postgresql://")) or url.endswith("/"):
            raise ValueError(
                "should be sqlite:///relative/path, sqlite:////absolute/path, or "
                "postgresql://USER@HOST/DATABASE"
            )
        return url
