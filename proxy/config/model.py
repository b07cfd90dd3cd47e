"""The settings: each with its default, its bounds, and the rules within its group.

This is the one place where a default is stated; the text below it names the precedent or the
reason. `config.example.yaml` explains each setting. Times are seconds, sizes bytes, and paths of
files are relative to the working directory.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from proxy.config import values
from proxy.config.values import Listen, Network, UpstreamUrl
from proxy.domain.methods import ANY

WEEK: Final = 7 * 24 * 3600
Seconds: TypeAlias = Annotated[float, Field(strict=True, gt=0, le=WEEK, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(strict=True)]
Bytes: TypeAlias = Annotated[int, Field(strict=True), BeforeValidator(values.size)]
Addresses: TypeAlias = Annotated[
    list[Annotated[Listen, PlainValidator(values.listen)]],
    Field(min_length=1),
    BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
]


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot read this file: {error.strerror}") from None
    return path


ReadableFile: TypeAlias = Annotated[Path, AfterValidator(_readable)]


Fault: TypeAlias = tuple[str, str]
"""The name of the setting to change, and what is wrong."""


class SettingErrors(ValueError):
    """Raised for the rules about several settings of a group, with everything that breaks them."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(message for _, message in faults))
        self.faults = faults


class Settings(BaseModel):
    """A group of settings. An unknown setting is an error, and none changes after it is read."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )

    def rules(self) -> Iterator[Fault]:
        """The rules about several settings of the group: yields what breaks them."""
        yield from ()

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        faults = list(self.rules())
        if faults:
            raise SettingErrors(faults)
        return self


class Tls(Settings):
    """The certificate (with its chain) and the private key of a listener, as PEM files."""

    certificate: ReadableFile
    key: ReadableFile

    def rules(self) -> Iterator[Fault]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                yield "key", "is not the key of this certificate"
            else:
                together = "this file and the key should be PEM files that belong together"
                yield "certificate", together
        except ValueError as error:
            yield "key", str(error)


def _no_password() -> str:
    """Called for an encrypted key, instead of a prompt on the terminal."""
    raise ValueError("is encrypted: use a key without a pass phrase")


class Admin(Settings):
    """The admin server, where keys are managed."""

    listen: Addresses
    tls: Tls | None = None
    hosts: list[Annotated[str, PlainValidator(values.host_field)]] | None = None
    public_url: Annotated[str, BeforeValidator(values.public_url)] | None = None


class Upstream(Settings):
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
    authorization: Literal["strip", "forward"] = "strip"
    """The client's secret is for the gateway; an upstream that saw it could act as the client."""
    authorization_file: Path | None = None
    preserve_host: bool = False
    """nginx and Apache httpd send the upstream's own name too; Caddy and HAProxy the client's."""

    _authorization_value: SecretStr | None = PrivateAttr(None)

    @property
    def authorization_value(self) -> SecretStr | None:
        """The content of `authorization_file`: the value of Authorization for this upstream."""
        return self._authorization_value

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
        if not self.tls:
            for name in ("ca_file", "server_name"):
                if getattr(self, name) is not None:
                    yield name, "needs an https:// url"
        if self.ca_file is not None and not self.verify:
            yield "ca_file", "has no effect while verify is off: remove one of them"
        elif self.ca_file is not None and self.tls:
            try:
                ssl.create_default_context(cafile=self.ca_file)
            except ssl.SSLError:
                yield "ca_file", "the file holds no certificates"
        if self.authorization_file is not None and self.authorization == "forward":
            yield "authorization_file", "contradicts authorization: forward; remove one of them"
        elif self.authorization_file is not None:
            try:
                self._authorization_value = _field_value(self.authorization_file)
            except ValueError as error:
                yield "authorization_file", str(error)


def _field_value(path: Path) -> SecretStr:
    """The only line of a file, as the value of a field. Raises ValueError."""
    try:
        value = path.read_bytes().strip()
    except OSError as error:
        raise ValueError(f"cannot read this file: {error.strerror}") from None
    if not 0 < len(value) <= 8192 or not all(0x20 <= byte < 0x7F for byte in value):
        raise ValueError("the file should hold one line of visible ASCII characters")
    return SecretStr(value.decode("ascii"))


Method: TypeAlias = Annotated[str, PlainValidator(values.method)]


class Route(Settings):
    """Who may use the paths that match a pattern, and which upstream gets the request."""

    path: Annotated[str, AfterValidator(values.route_path)]
    access: Literal["environment", "account", "admin", "any", "public"] = "account"
    """If it is not set: `environment` when the path has one, otherwise `account`."""
    methods: (
        Annotated[
            list[Method],
            Field(min_length=1),
            BeforeValidator(lambda given: [ANY] if given == ANY else given),
        ]
        | None
    ) = None
    upstream: str | None = None
    upgrades: list[Annotated[str, PlainValidator(values.protocol)]] = ["websocket"]
    readonly_upgrades: bool = False
    """What goes through a tunnel is not read, so it may well be more than reading."""
    allow: list[Literal["%2F", "%25", ";"]] = []
    """Servers differ in what these mean within a path, so a path with them is refused."""

    @model_validator(mode="before")
    @classmethod
    def _set_default_access(cls, data: Any) -> Any:
        if isinstance(data, dict) and "{environment}" in str(data.get("path")):
            return {"access": "environment"} | data
        return data

    def rules(self) -> Iterator[Fault]:
        scoped = "{environment}" in self.path
        if self.access == "environment" and not scoped:
            yield "access", "environment needs {environment} in the path"
        if scoped and self.access in {"account", "any"}:
            yield (
                "access",
                f"{self.access} would open every environment to keys that may not act in it; "
                "with {environment} in the path use environment, admin or public",
            )
        if self.allow and not (scoped and self.path.endswith("/**")):
            yield "allow", "needs a path that ends in /** after {environment}"


DEFAULT_ROUTES: Final = [
    Route(path="/v1/projects/{environment}/**", access="environment"),
    Route(path="/v2-beta/projects/{environment}/**", access="environment"),
    Route(path="/**", access="account"),
]


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

    listen: Addresses
    tls: Tls | None = None
    public_url: Annotated[str, BeforeValidator(values.public_url)] | None = None
    upstreams: Annotated[
        dict[Annotated[str, AfterValidator(_upstream_name)], Upstream], Field(min_length=1)
    ]
    routes: Annotated[list[Route], Field(min_length=1)] = DEFAULT_ROUTES
    store: str = "sqlite:///var/wardgate.db"
    admin: Admin | None = None
    access_control: bool = True
    trusted_proxies: list[Annotated[Network, PlainValidator(values.network)]] = []
    limits: Annotated[Limits, BeforeValidator(lambda value: {} if value is None else value)] = (
        Limits()
    )
    bcrypt_rounds: Annotated[Count, Field(ge=4, le=15)] = 6
    """Passwords that people choose need 10 or more. New secrets have 170 random bits, which nobody
    guesses; at 6, the first use of each of a thousand keys takes seconds in total."""
    access_log: Annotated[str, Field(min_length=1)] = "-"

    @field_validator("store")
    @classmethod
    def _check_store(cls, url: str) -> str:
        if not url.startswith("sqlite:///") or url.endswith("/"):
            raise ValueError("should be sqlite:///relative/path or sqlite:////absolute/path")
        return url
