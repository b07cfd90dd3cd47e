"""config.example.yaml: it loads, as it stands and with all of it on, and tells the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from pydantic import BaseModel

from proxy.config.load import load
from proxy.config.model import Admin, Config, Limits, Route, Settings, Tls, Upstream
from proxy.config.values import size

EXAMPLE = Path(__file__).parent.parent / "config.example.yaml"

GROUPS: dict[str, type[Settings]] = {
    "": Config,
    "tls": Tls,
    "upstreams.default": Upstream,
    "upstreams.inventory": Upstream,
    "routes": Route,
    "admin": Admin,
    "admin.tls": Tls,
    "limits": Limits,
}
"""Where the example sets what."""

SETTING = re.compile(r"( *)(- )?#?([a-z_]+):(?: |$)")


def uncommented() -> str:
    """The example with every setting on."""
    return re.sub(r"(?m)^( *)#(?=[a-z])", r"\1", EXAMPLE.read_text())


def explained() -> Iterator[tuple[str, str, str]]:
    """(group, setting, comment above it) in order. A setting twice in a row shares its comment."""
    comment: list[str] = []
    stack: list[tuple[int, str]] = []
    for line in EXAMPLE.read_text().splitlines():
        if line.strip().startswith("# "):
            comment.append(line.strip().removeprefix("# "))
        elif not line:
            comment = []
        elif match := SETTING.match(line):
            depth = len(match[1]) + len(match[2] or "")
            stack = [(above, name) for above, name in stack if above < depth]
            yield ".".join(name for _, name in stack), match[3], " ".join(comment)
            stack.append((depth, match[3]))
            comment = []


def default_of(model: type[BaseModel], name: str) -> object:
    """A setting's default as plain data."""
    default: Any = model.model_fields[name].default
    return default.model_dump() if isinstance(default, BaseModel) else default


def test_as_it_stands() -> None:
    """The example loads as it stands, with the defaults of what is not one's own affair."""
    config = load(EXAMPLE, {})
    for name in ("tls", "public_url", "store", "access_control", "limits", "bcrypt_rounds"):
        assert getattr(config, name) == Config.model_fields[name].default


def test_all_of_it(tmp_path: Path) -> None:
    """The example loads with every setting in it on; what has a default is shown with it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    authority.cert_pem.write_to_path(tmp_path / "inventory-ca.pem")
    (tmp_path / "upstream-authorization").write_text("Bearer x\n")
    path = tmp_path / "wardgate.yaml"
    path.write_text(uncommented().replace("/etc/wardgate", str(tmp_path)))
    config = load(path, {})
    assert set(config.upstreams) == {"default", "inventory"}
    for settings, own in (
        (config, {"listen", "tls", "public_url", "upstreams", "routes", "admin"}),
        (config.upstreams["default"], {"url", "authorization_file"}),
        (config.limits, set[str]()),
    ):
        model = type(settings)
        for name in model.model_fields.keys() - own:
            assert getattr(settings, name) == model.model_fields[name].default, name


@pytest.mark.parametrize("group", GROUPS)
def test_every_setting(group: str) -> None:
    """The example names every setting of every group, and no other."""
    named = {name for where, name, _ in explained() if where == group}
    if group == "upstreams.inventory":
        named |= {name for where, name, _ in explained() if where == "upstreams.default"}
        assert named == set(Upstream.model_fields)
    elif group == "upstreams.default":
        assert named < set(Upstream.model_fields)
    else:
        assert named == set(GROUPS[group].model_fields)


def test_stated_defaults() -> None:
    """Every setting is explained once, with its true default, or as required."""
    untold = {(model, name) for model in set(GROUPS.values()) for name in model.model_fields}
    for group, name, comment in explained():
        model = GROUPS.get(group)
        if model is None or (model, name) not in untold:
            continue
        untold.remove((model, name))
        field = model.model_fields[name]
        stated = re.search(r"Default: (.*)\.$", comment)
        if field.is_required():
            assert re.search(r"Required\.( |$)", comment), name
        elif (model, name) in {(Config, "routes"), (Route, "access")}:
            assert stated, name  # in words: they depend on other things
        elif (model, name) != (Config, "limits"):  # a group, whose own settings tell
            assert stated, name
            told, true = yaml.safe_load(stated[1]), default_of(model, name)
            assert (size(told) if isinstance(true, int) else told) == true, name
    assert untold == set()
