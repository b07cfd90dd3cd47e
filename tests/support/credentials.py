"""An access key with its secret key, in the forms in which clients present them (RFC 7617)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Credentials:
    """An access key and its secret key."""

    access_key: str
    secret: str

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> Credentials:
        """The credentials in an `apikey` resource of the admin API that shows its secret."""
        return cls(resource["publicValue"], resource["secretValue"])

    @property
    def pair(self) -> str:
        """Both with a colon between them, as curl's `-u` takes them."""
        return f"{self.access_key}:{self.secret}"

    @property
    def authorization(self) -> str:
        """The value of the Authorization field."""
        return "Basic " + base64.b64encode(self.pair.encode()).decode()

    @property
    def basic(self) -> bytes:
        """The whole Authorization field, with its CRLF."""
        return b"Authorization: %b\r\n" % self.authorization.encode()
