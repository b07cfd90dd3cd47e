"""What all groups of settings have in common: their base class, and the types of values.

Tested in `tests/proxy/config/test_model.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from proxy.config import values
from proxy.config.values import Listen

WEEK: Final = 7 * 24 * 3600
Seconds: TypeAlias = Annotated[float, Field(strict=True, gt=0, le=WEEK, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(strict=True)]
Bytes: TypeAlias = Annotated[int, Field(strict=True), BeforeValidator(values.size)]
_AS_LIST: Final = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
Addresses: TypeAlias = Annotated[
    list[Annotated[Listen, PlainValidator(values.listen)]], Field(min_length=1), _AS_LIST
]
Listeners: TypeAlias = Annotated[
    list[Annotated[Listen, PlainValidator(values.listener)]], Field(min_length=1), _AS_LIST
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


class FileSettings(Settings):
    """A group of settings that name files. What was in them when they were validated is what is
    used, whatever becomes of the files, until they are read again."""

    _digests: dict[str, bytes] = PrivateAttr(default_factory=dict)

    @property
    def digests(self) -> Mapping[str, bytes]:
        """The digest of what was in each file, by the name of its setting."""
        return self._digests

    @property
    def changed(self) -> bool:
        """Whether something else is in the files now."""
        return any(_digest(path) != self._digests.get(name) for name, path in self._files())

    def reread(self) -> Self:
        """The same settings with what is in the files now. Raises `SettingErrors`."""
        new = self.model_copy()
        faults = list(new.rules())
        if faults:
            raise SettingErrors(faults)
        return new

    def rules(self) -> Iterator[Fault]:
        """Yields each file that cannot be read. A group that extends this reads what is in the
        others, and yields what is wrong with that."""
        self._digests = {}
        for name, path in self._files():
            try:
                self._digests[name] = sha256(path.read_bytes()).digest()
            except OSError as error:
                yield name, f"cannot read this file: {error.strerror}"

    def _files(self) -> Iterator[tuple[str, Path]]:
        return ((name, value) for name, value in self if isinstance(value, Path))


def _digest(path: Path) -> bytes | None:
    """The digest of what is in a file; None where it cannot be read."""
    try:
        return sha256(path.read_bytes()).digest()
    except OSError:
        return None


def secret_line_of(path: Path) -> SecretStr:
    """The only line of a file that is not for everybody. Raises ValueError."""
    secret = line_of(path)
    require_private(path)
    return secret


def require_private(path: Path) -> None:
    """Raises ValueError for a file that everybody can use."""
    if path.stat().st_mode & 0o007:
        raise ValueError(
            f"everybody can use this file, which holds a secret: run `chmod o= {path}`"
        )


def line_of(path: Path) -> SecretStr:
    """The only line of a file, which is a secret. Raises ValueError."""
    try:
        value = path.read_bytes().strip()
    except OSError as error:
        raise ValueError(f"cannot read this file: {error.strerror}") from None
    if not 0 < len(value) <= 8192 or not all(0x20 <= byte < 0x7F for byte in value):
        raise ValueError("the file should hold one line of visible ASCII characters")
    return SecretStr(value.decode("ascii"))
