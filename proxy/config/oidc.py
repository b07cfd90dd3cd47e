"""The settings of login with OpenID Connect: the provider, and which account each person gets.

Tested in `tests/proxy/config/test_oidc.py`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, PlainValidator, PrivateAttr, SecretStr

from proxy.config import values
from proxy.config.settings import Fault, FileSettings, ReadableFile, secret_line_of
from proxy.config.tls import client_context
from proxy.domain.model import Role

_ACCOUNT: Final = re.compile(r"1a([1-9][0-9]{0,17})").fullmatch
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+").fullmatch


def _account_id(text: object) -> int:
    """The number in an account's id, such as 1a5."""
    match = _ACCOUNT(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("should be the id of an account, such as 1a5")
    return int(match[1])


def _scope(text: object) -> str:
    """A scope (RFC 6749 section 3.3)."""
    if not isinstance(text, str) or not _SCOPE(text):
        raise ValueError("should be a scope, such as email")
    return text


class Oidc(FileSettings):
    """A provider of OpenID Connect, and what people who log in with it may do."""

    issuer: Annotated[str, PlainValidator(values.issuer)]
    client_id: Annotated[str, Field(min_length=1, max_length=255)]
    client_secret_file: Path
    name: Annotated[str, Field(min_length=1, max_length=40)] = "OpenID Connect"
    scopes: list[Annotated[str, PlainValidator(_scope)]] = ["openid", "profile", "email"]
    claim: Annotated[str, Field(min_length=1, max_length=255)] = "sub"
    """The only claim that no provider may give to another person later (OpenID Connect Core section
    5.7)."""
    accounts: dict[str, Annotated[int, PlainValidator(_account_id)]] = {}
    account_names: bool = False
    """Off by default: to rename an account would be to give it to somebody."""
    role: Role = Role.OWNER
    ca_file: ReadableFile | None = None

    _client_secret: SecretStr = PrivateAttr()
    _context: ssl.SSLContext = PrivateAttr()

    @property
    def client_secret(self) -> SecretStr:
        """What is in `client_secret_file`."""
        return self._client_secret

    @property
    def context(self) -> ssl.SSLContext:
        """The context that verifies the provider."""
        return self._context

    def rules(self) -> Iterator[Fault]:
        faults = list(super().rules())
        wrong = {name for name, _ in faults}
        if "openid" not in self.scopes:
            faults.append(("scopes", "should hold openid, which makes it OpenID Connect"))
        if "client_secret_file" not in wrong:
            try:
                self._client_secret = secret_line_of(self.client_secret_file)
            except ValueError as error:
                faults.append(("client_secret_file", str(error)))
        if "ca_file" not in wrong:
            try:
                self._context = client_context(self.ca_file, verify=True)
            except OSError:
                faults.append(("ca_file", "the file holds no certificates"))
        yield from faults
