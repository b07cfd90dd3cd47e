"""The settings of traces: where they are exported to, and how many of them.

Tested in `tests/proxy/config/test_tracing.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, PlainValidator, PrivateAttr, SecretStr

from proxy.config import values
from proxy.config.settings import Fault, FileSettings, line_of


class Tracing(FileSettings):
    """Export of traces by OTLP over HTTP."""

    endpoint: Annotated[str, PlainValidator(values.export_url)]
    share: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.01
    service_name: Annotated[str, Field(min_length=1, max_length=255)] = "wardgate"
    authorization_file: Path | None = None

    _authorization: SecretStr | None = PrivateAttr(None)

    @property
    def authorization(self) -> SecretStr | None:
        """The content of `authorization_file`: the value of Authorization for the endpoint."""
        return self._authorization

    def rules(self) -> Iterator[Fault]:
        faults = list(super().rules())
        yield from faults
        if self.authorization_file is None or faults:
            return
        if not values.is_secure(self.endpoint):
            yield "authorization_file", "needs an https:// endpoint, or one at a loopback address"
            return
        try:
            self._authorization = line_of(self.authorization_file)
        except ValueError as error:
            yield "authorization_file", str(error)
