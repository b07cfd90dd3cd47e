"""A configuration as it was written: YAML with the line of every setting, and the environment
variables that override it.

Scalars are read by the core schema of YAML 1.2 (section 10.3), in which `off` and `1:30` are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from proxy.domain.errors import WardgateError

SettingPath: TypeAlias = tuple[str | int, ...]
"""The names and indexes that lead to a setting: `("routes", 2, "path")`."""

ENVIRONMENT_PREFIX: Final = "WARDGATE__"
NOT_A_MAPPING: Final = "should be settings, each as `name: value`"
MAX_NODES: Final = 100_000
"""YAML nodes that are read, because aliases can expand a small file beyond any memory."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a configuration. Its text never holds a value that may be secret."""

    source: str
    """The file or the environment variable."""
    line: int | None
    path: str
    """`upstreams.main.url`, `routes[2].path`; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (where, self.path, self.message) if part)


class ConfigError(WardgateError):
    """A configuration that cannot be used, with all of its problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(slots=True)
class Document:
    """Settings as plain data, the origin of each, and the problems found so far."""

    source: str
    data: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    origins: dict[SettingPath, tuple[str, int | None]] = field(default_factory=dict)
    """Path → (file or variable, line)."""
    written_as: dict[SettingPath, SettingPath] = field(default_factory=dict)
    """Path in the data → path in the file, where the two differ."""

    def add_problem(self, path: SettingPath, message: str) -> None:
        """Add a problem with the setting at `path`; a missing one has the line of its group."""
        path = self.written_as.get(path, path)
        known = path
        while known and known not in self.origins:
            known = known[:-1]
        source, line = self.origins.get(known, (self.source, None))
        self.problems.append(Problem(source, line, path_text(path), message))

    def override(self, environ: Mapping[str, str]) -> None:
        """Apply the variables `WARDGATE__…` over the file; the most deeply nested setting wins."""
        variables = {
            name: tuple(name[len(ENVIRONMENT_PREFIX) :].lower().split("__"))
            for name in sorted(environ)
            if name.startswith(ENVIRONMENT_PREFIX)
        }
        for name, path in sorted(variables.items(), key=lambda item: len(item[1])):
            self._set(name, path, environ[name])

    def _set(self, variable: str, path: tuple[str, ...], text: str) -> None:
        dotted = ".".join(path)
        if not all(path):
            self.problems.append(Problem(variable, None, "", "names no setting"))
            return
        read = _parse(variable, text)
        if read.problems:
            self.problems += (Problem(variable, None, dotted, p.message) for p in read.problems)
            return
        mapping = self.data
        for depth, name in enumerate(path[:-1], 1):
            if mapping.get(name) is None:
                mapping[name] = {}
                self.origins[path[:depth]] = (variable, None)
            mapping = mapping[name]
            if not isinstance(mapping, dict):
                message = f"{'.'.join(path[:depth])} holds no settings by name"
                self.problems.append(Problem(variable, None, dotted, message))
                return
        mapping[path[-1]] = read.data.get(_ROOT)
        below = [known for known in self.origins if known[: len(path)] == path]
        for known in below:
            del self.origins[known]
        self.origins[path] = (variable, None)


def path_text(path: SettingPath) -> str:
    """`("routes", 2, "path")` → `routes[2].path`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def read_document(path: Path) -> Document:
    """Read a file of settings. Raises `ConfigError` if it holds no settings at all."""
    source = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(source, None, "", f"cannot read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(source, line, "", "should be UTF-8 text")]) from None
    read = _parse(source, text)
    root = read.data.get(_ROOT)
    if root is None and not read.problems:
        read.problems.append(Problem(source, None, "", "holds no settings"))
    elif not isinstance(root, dict):
        read.problems.append(Problem(source, 1, "", NOT_A_MAPPING))
    if not isinstance(root, dict):
        raise ConfigError(read.problems[:1])
    read.data = root
    return read


# --- YAML ----------------------------------------------------------------------------------------

_ROOT: Final = ""
_TAG: Final = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Resolves scalars by the core schema of YAML 1.2."""

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
    """Parse `text`: a document with its value at `data[_ROOT]`, or with problems."""
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
            message += "; put quotes around an address in brackets"
        document.problems.append(Problem(source, line, "", message))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.problems.append(
            Problem(source, line, "", "holds a character that YAML does not allow")
        )
    except RecursionError:
        document.problems.append(Problem(source, None, "", "is nested too deeply"))
    return document


class _Reader:
    """Turns YAML nodes into plain data, and collects their lines and problems."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._above: list[yaml.Node] = []
        self._nodes = 0

    def value(self, node: yaml.Node, path: SettingPath) -> Any:
        """The data of `node` at `path`; None if there is a problem with it."""
        document = self._document
        document.origins.setdefault(path, (document.source, node.start_mark.line + 1))
        self._nodes += 1
        if node in self._above or self._nodes > MAX_NODES:
            if self._nodes <= MAX_NODES + 1:
                document.add_problem(path, "holds an alias of itself, or expands to too much")
            return None
        self._above.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return {
                    name: self.value(child, (*path, name))
                    for name, child in self._pairs(node, path)
                }
            if isinstance(node, yaml.SequenceNode):
                return [self.value(child, (*path, n)) for n, child in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._above.pop()

    def _pairs(self, node: yaml.MappingNode, path: SettingPath) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or not str(key.value).isprintable():
                self._document.add_problem(path, f"line {line}: a name should be text")
                continue
            name = str(key.value)
            child_path = (*path, name)
            if name in seen:
                problem = Problem(
                    self._document.source,
                    line,
                    path_text(child_path),
                    f"is set twice, first in line {seen[name]}",
                )
                self._document.problems.append(problem)
                continue
            seen[name] = line
            self._document.origins[child_path] = (self._document.source, line)
            yield name, child

    def _scalar(self, node: yaml.Node, path: SettingPath) -> Any:
        read = _SCALARS.get(node.tag.removeprefix(_TAG))
        if read is None:
            self._document.add_problem(path, "has a YAML tag that is not supported")
            return None
        try:
            return read(str(node.value))
        except (ValueError, KeyError):
            self._document.add_problem(path, "has a value that its YAML type does not allow")
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
