"""The settings: each with its default, its bounds, and the rules within its group.

Times are seconds, sizes bytes. Paths of files are relative to the working directory.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_args

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

WEEK: Final = 7 * 24 * 3600
Seconds: TypeAlias = Annotated[float, Field(strict=True, gt=0, le=WEEK, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(strict=True)]
Bytes: TypeAlias = Annotated[int, Field(strict=True), BeforeValidator(values.size)]
Addresses: TypeAlias = Annotated[
    list[Annotated[Listen, PlainValidator(values.listen)]],
    Field(min_length=1),
    BeforeValidator(lambda given: given if isinstance(given, list) else [given]),
]


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot read this file: {error.strerror}") from None
    return path


ReadableFile: TypeAlias = Annotated[Path, AfterValidator(_readable)]


class Misplaced(ValueError):
    """What a rule about several settings refuses, with the setting to change."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Settings(BaseModel):
    """A group of settings: unknown ones are errors, and none changes once it is read."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )


class Tls(Settings):
    """The certificate (with its chain) and the private key of a listener, as PEM files."""

    certificate: ReadableFile
    key: ReadableFile

    @model_validator(mode="after")
    def _fit_together(self) -> Tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise Misplaced("key", "is not the key of this certificate") from None
            raise Misplaced("certificate", "with its key: no PEM files that fit together") from None
        except ValueError as error:
            raise Misplaced("key", str(error)) from None
        return self


def _no_password() -> str:
    """Called for an encrypted key, in place of a question on the terminal."""
    raise ValueError("is encrypted; a key without a pass phrase is needed")


class Admin(Settings):
    """The admin server: where keys are made and unmade."""

    listen: Addresses
    tls: Tls | None = None
    hosts: list[Annotated[str, PlainValidator(values.host_field)]] | None = None
    public_url: Annotated[str, BeforeValidator(values.public_url)] | None = None


class Upstream(Settings):
    """An API behind the gateway, and how it is reached."""

    url: Annotated[UpstreamUrl, PlainValidator(values.upstream_url)]
    connect_timeout: Seconds = 3
    first_byte_timeout: Seconds = 60
    idle_timeout: Seconds = 300
    keepalive_timeout: Seconds = 4
    max_connections: Annotated[Count, Field(ge=1, le=65535)] = 512
    queue: Annotated[Count, Field(ge=0, le=1_000_000)] = 1024
    verify: bool = True
    ca_file: ReadableFile | None = None
    server_name: Annotated[str, BeforeValidator(values.host_name)] | None = None
    authorization: Literal["strip", "forward"] = "strip"
    authorization_file: Path | None = None
    preserve_host: bool = False

    _authorization_value: SecretStr | None = PrivateAttr(None)

    @property
    def authorization_value(self) -> SecretStr | None:
        """What `authorization_file` held: the value of Authorization for this upstream."""
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
        """Whether it is reached over TLS."""
        return self.url.tls

    @property
    def unix_path(self) -> str | None:
        """The Unix socket to connect to, None for a host."""
        return self.url.unix_path

    @property
    def authority(self) -> str:
        """Its own name, for the Host field."""
        return self.url.authority

    @model_validator(mode="after")
    def _agree(self) -> Upstream:
        if not self.tls:
            for name in ("ca_file", "server_name"):
                if getattr(self, name) is not None:
                    raise Misplaced(name, "needs an https:// url")
        if self.ca_file is not None:
            if not self.verify:
                raise Misplaced("ca_file", "has no use while verify is off")
            try:
                ssl.create_default_context(cafile=self.ca_file)
            except ssl.SSLError:
                raise Misplaced("ca_file", "the file holds no certificates") from None
        if self.authorization_file is not None:
            if self.authorization == "forward":
                raise Misplaced("authorization_file", "contradicts authorization: forward")
            try:
                self._authorization_value = _field_value(self.authorization_file)
            except ValueError as error:
                raise Misplaced("authorization_file", str(error)) from None
        return self


def _field_value(path: Path) -> SecretStr:
    """The only line of a file, fit to be a field's value. Raises ValueError."""
    try:
        value = path.read_bytes().strip()
    except OSError as error:
        raise ValueError(f"cannot read this file: {error.strerror}") from None
    if not 0 < len(value) <= 8192 or not all(0x20 <= byte < 0x7F for byte in value):
        raise ValueError("the file should hold one line of visible ASCII characters")
    return SecretStr(value.decode("ascii"))


MethodName: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
METHODS: Final[tuple[MethodName, ...]] = get_args(MethodName)
Method: TypeAlias = Annotated[
    MethodName, BeforeValidator(lambda name: name.upper() if isinstance(name, str) else name)
]


class Route(Settings):
    """What a path pattern is open to, and where it leads."""

    path: Annotated[str, AfterValidator(values.route_path)]
    access: Literal["environment", "account", "admin", "any", "public"] = "account"
    """Where it is not given: `environment` if the path has one, else `account`."""
    methods: Annotated[list[Method], Field(min_length=1)] | None = None
    upstream: str | None = None
    upgrades: list[Annotated[str, PlainValidator(values.protocol)]] = ["websocket"]
    readonly_upgrades: bool = False
    allow: list[Literal["%2F", "%25", ";"]] = []

    @model_validator(mode="before")
    @classmethod
    def _default_access(cls, given: Any) -> Any:
        if isinstance(given, dict) and "{environment}" in str(given.get("path")):
            return {"access": "environment"} | given
        return given

    @model_validator(mode="after")
    def _agree(self) -> Route:
        scoped = "{environment}" in self.path
        if self.access == "environment" and not scoped:
            raise Misplaced("access", "environment needs {environment} in the path")
        if scoped and self.access in {"account", "any"}:
            raise Misplaced(
                "access",
                f"{self.access} would open every environment to keys that may not act in it; "
                "with {environment} it is environment, admin or public",
            )
        if self.allow and not (scoped and self.path.endswith("/**")):
            raise Misplaced("allow", "needs a path that ends in /** after {environment}")
        return self


DEFAULT_ROUTES: Final = [
    Route(path="/v1/projects/{environment}/**", access="environment"),
    Route(path="/v2-beta/projects/{environment}/**", access="environment"),
    Route(path="/**", access="account"),
]


class Limits(Settings):
    """What a client may take up: bytes, connections, and time."""

    head_timeout: Seconds = 10
    head_size: Annotated[Bytes, Field(ge=1024, le=1 << 20)] = 65536
    line_size: Annotated[Bytes, Field(ge=256, le=1 << 20)] = 8192
    fields: Annotated[Count, Field(ge=8, le=10_000)] = 100
    body_size: Annotated[Bytes, Field(ge=0)] | None = None
    body_idle_timeout: Seconds = 30
    body_min_rate: Annotated[Bytes, Field(ge=0, le=1 << 30)] = 100
    keepalive_timeout: Seconds = 75
    stalled_reader_timeout: Seconds = 60
    tunnel_idle_timeout: Seconds = 3600
    connections: Annotated[Count, Field(ge=1, le=1_000_000)] = 16_000
    connections_per_source: Annotated[Count, Field(ge=1, le=1_000_000)] = 1024
    drain_timeout: Annotated[float, Field(strict=True, ge=0, le=WEEK, allow_inf_nan=False)] = 30

    @model_validator(mode="after")
    def _agree(self) -> Limits:
        if self.line_size > self.head_size:
            raise Misplaced("line_size", "should be at most head_size, of which a line is a part")
        return self


def _upstream_name(name: str) -> str:
    if not name or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789_-" for c in name):
        raise ValueError("the name of an upstream holds only small letters, digits, _ and -")
    return name


class Config(Settings):
    """All settings of one gateway and its admin server. `config.load` makes one: it also checks the
    routes against each other and against the upstreams."""

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
    limits: Annotated[Limits, BeforeValidator(lambda given: {} if given is None else given)] = (
        Limits()
    )
    bcrypt_rounds: Annotated[Count, Field(ge=4, le=15)] = 6
    access_log: Annotated[str, Field(min_length=1)] = "-"

    @field_validator("store")
    @classmethod
    def _known_store(cls, url: str) -> str:
        if not url.startswith("sqlite:///") or url.endswith("/"):
            raise ValueError("should be sqlite:///relative/path or sqlite:////absolute/path")
        return url
