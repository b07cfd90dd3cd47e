"""A configuration as it was written: YAML that keeps the line of every setting, and what the
environment puts over it.

Scalars are read by the core schema of YAML 1.2 (section 10.3), in which `off` and `1:30` are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from proxy.domain.model import WardgateError

Place: TypeAlias = tuple[str | int, ...]
"""Where a setting stands: `("routes", 2, "path")`."""

ENVIRONMENT_PREFIX: Final = "WARDGATE__"
NO_SETTINGS: Final = "should be settings, each as `name: value`"
MAX_NODES: Final = 100_000
"""Aliases can make a small file stand for more than any memory holds."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. Its text never holds the value of a setting that may be secret."""

    source: str
    """The file, or the environment variable."""
    line: int | None
    path: str
    """`upstreams.main.url`, `routes[2].path`; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(WardgateError):
    """A configuration that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(slots=True)
class Document:
    """Settings as plain data, where each of them comes from, and what is wrong with them so far."""

    source: str
    data: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    origins: dict[Place, tuple[str, int | None]] = field(default_factory=dict)
    """Place → (file or variable, line)."""
    shown_as: dict[Place, Place] = field(default_factory=dict)
    """Places that the data does not have under the name that was written."""

    def problem(self, place: Place, message: str) -> None:
        """Note what is wrong at `place`, or with something that is missing there."""
        place = self.shown_as.get(place, place)
        known = place
        while known and known not in self.origins:
            known = known[:-1]
        source, line = self.origins.get(known, (self.source, None))
        self.problems.append(Problem(source, line, path_text(place), message))

    def override(self, environ: Mapping[str, str]) -> None:
        """Put the variables `WARDGATE__…` over what the file says; the deepest setting wins."""
        variables = {
            name: tuple(name[len(ENVIRONMENT_PREFIX) :].lower().split("__"))
            for name in sorted(environ)
            if name.startswith(ENVIRONMENT_PREFIX)
        }
        for name, place in sorted(variables.items(), key=lambda item: len(item[1])):
            self._set(name, place, environ[name])

    def _set(self, variable: str, place: tuple[str, ...], text: str) -> None:
        path = ".".join(place)
        if not all(place):
            self.problems.append(Problem(variable, None, "", "names no setting"))
            return
        read = _parse(variable, text)
        if read.problems:
            self.problems += (Problem(variable, None, path, p.message) for p in read.problems)
            return
        mapping = self.data
        for depth, name in enumerate(place[:-1], 1):
            if mapping.get(name) is None:
                mapping[name] = {}
                self.origins[place[:depth]] = (variable, None)
            mapping = mapping[name]
            if not isinstance(mapping, dict):
                message = f"{'.'.join(place[:depth])} holds no settings by name"
                self.problems.append(Problem(variable, None, path, message))
                return
        mapping[place[-1]] = read.data.get(_ROOT)
        below = [known for known in self.origins if known[: len(place)] == place]
        for known in below:
            del self.origins[known]
        self.origins[place] = (variable, None)


def path_text(place: Place) -> str:
    """`("routes", 2, "path")` → `routes[2].path`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def read_document(path: Path) -> Document:
    """Read a file of settings. Raises `ConfigError` where no settings can be made out at all."""
    source = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(source, None, "", f"cannot read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(source, line, "", "not UTF-8")]) from None
    read = _parse(source, text)
    root = read.data.get(_ROOT)
    if root is None and not read.problems:
        read.problems.append(Problem(source, None, "", "no settings in it"))
    elif not isinstance(root, dict):
        read.problems.append(Problem(source, 1, "", NO_SETTINGS))
    if not isinstance(root, dict):
        raise ConfigError(read.problems[:1])
    read.data = root
    return read


# --- YAML ----------------------------------------------------------------------------------------

_ROOT: Final = ""
_TAG: Final = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Tells which scalars are not text by the core schema of YAML 1.2."""

    yaml_implicit_resolvers = {}


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


_BARE_IPV6: Final = re.compile(r"(?:^|[\s,])\[[0-9A-Fa-f:.]+\]:").search


def _parse(source: str, text: str) -> Document:
    """The document of `text`, its value at `data[_ROOT]`, or one with problems."""
    document = Document(source)
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            document.data[_ROOT] = _Reader(document).value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        parts = [error.context, error.problem] if error.problem_mark else [error.problem]
        message = "not YAML: " + ", ".join(part for part in parts if part)
        if line is not None and _BARE_IPV6("".join(text.splitlines()[line - 1 : line])):
            message += "; an address in brackets needs quotes"
        document.problems.append(Problem(source, line, "", message))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.problems.append(Problem(source, line, "", "a character that YAML does not allow"))
    except RecursionError:
        document.problems.append(Problem(source, None, "", "nested too deeply"))
    return document


class _Reader:
    """Makes plain data of YAML nodes, and notes their lines and what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._above: list[yaml.Node] = []
        self._nodes = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        """The data of `node` at `place`; None where it is at fault."""
        document = self._document
        document.origins.setdefault(place, (document.source, node.start_mark.line + 1))
        self._nodes += 1
        if node in self._above or self._nodes > MAX_NODES:
            if self._nodes <= MAX_NODES + 1:
                document.problem(place, "an alias that holds itself, or stands for too much")
            return None
        self._above.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return {
                    name: self.value(child, (*place, name))
                    for name, child in self._pairs(node, place)
                }
            if isinstance(node, yaml.SequenceNode):
                return [self.value(child, (*place, n)) for n, child in enumerate(node.value)]
            return self._scalar(node, place)
        finally:
            self._above.pop()

    def _pairs(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or not str(key.value).isprintable():
                self._document.problem(place, f"line {line}: a name should be text")
                continue
            name = str(key.value)
            there = (*place, name)
            if name in seen:
                problem = Problem(
                    self._document.source,
                    line,
                    path_text(there),
                    f"given twice, first in line {seen[name]}",
                )
                self._document.problems.append(problem)
                continue
            seen[name] = line
            self._document.origins[there] = (self._document.source, line)
            yield name, child

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        read = _SCALARS.get(node.tag.removeprefix(_TAG))
        if read is None:
            self._document.problem(place, "a YAML tag that is not supported")
            return None
        try:
            return read(str(node.value))
        except (ValueError, KeyError):
            self._document.problem(place, "a value that its YAML type does not allow")
        return None


def _text(text: str) -> str:
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError("control character")
    return text


_SCALARS: Final[dict[str, Callable[[str], object]]] = {
    "null": lambda _text: None,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": lambda text: int(text, 0 if text[:2] in {"0x", "0o"} else 10),
    "float": float,
    "str": _text,
}
