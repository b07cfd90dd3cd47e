"""The settings of webhooks: where events are sent, which ones, and with what they are signed.

Tested in `tests/proxy/config/test_webhooks.py`.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, PlainValidator, PrivateAttr, SecretBytes

from proxy.config import values
from proxy.config.settings import Fault, FileSettings, ReadableFile, secret_line_of
from proxy.config.tls import client_context
from proxy.domain.events import EventType

_NAME: Final = re.compile(r"[a-z0-9_-]{1,40}").fullmatch
_PREFIX: Final = "whsec_"
CHOICE: Final = tuple(each for each in EventType if each is not EventType.TEST)
"""The events that a webhook can choose from."""


def webhook_name(text: str) -> str:
    """The name of a webhook. Raises ValueError."""
    if not _NAME(text):
        raise ValueError("the name of a webhook holds up to 40 small letters, digits, _ and -")
    return text


def _event(text: object) -> EventType:
    if text not in CHOICE:
        raise ValueError(f"should be one of {', '.join(CHOICE)}")
    return EventType(str(text))


class Webhook(FileSettings):
    """A program that is told what happens, as Standard Webhooks says."""

    url: Annotated[str, PlainValidator(values.webhook_url)]
    secret_file: Path
    events: Annotated[list[Annotated[EventType, PlainValidator(_event)]], Field(min_length=1)] = (
        list(CHOICE)
    )
    timeout: Annotated[float, Field(strict=True, ge=1, le=30)] = 15
    """Seconds. Standard Webhooks: 15 to 30."""
    ca_file: ReadableFile | None = None

    _secret: SecretBytes = PrivateAttr()
    _context: ssl.SSLContext = PrivateAttr()

    @property
    def secret(self) -> SecretBytes:
        """The key that is in `secret_file`."""
        return self._secret

    @property
    def context(self) -> ssl.SSLContext:
        """The context that verifies the receiver."""
        return self._context

    def rules(self) -> Iterator[Fault]:
        faults = list(super().rules())
        wrong = {name for name, _ in faults}
        if "secret_file" not in wrong:
            try:
                self._secret = _key_of(self.secret_file)
            except ValueError as error:
                faults.append(("secret_file", str(error)))
        if "ca_file" not in wrong:
            try:
                self._context = client_context(self.ca_file, verify=True)
            except OSError:
                faults.append(("ca_file", "the file holds no certificates"))
        yield from faults


def _key_of(path: Path) -> SecretBytes:
    """The key in a file that is not for everybody. Raises ValueError."""
    text = secret_line_of(path).get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"the file should hold {_PREFIX} and the base64 of 24 to 64 random bytes")
    return SecretBytes(key)
