"""config.example.yaml is a valid configuration, complete, and right about the defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from pydantic import BaseModel

from proxy.config.cluster import Cluster, Postgres
from proxy.config.cors import Cors
from proxy.config.header_rules import ResponseHeaders
from proxy.config.load import load
from proxy.config.model import Admin, Config, Limits, Tls
from proxy.config.oidc import Oidc
from proxy.config.resolve import Resolve
from proxy.config.route import Route
from proxy.config.settings import Settings
from proxy.config.targets import Breaker, Checks, Ejection, Retries, Target
from proxy.config.tracing import Tracing
from proxy.config.upstream import Upstream
from proxy.config.values import size
from proxy.config.webhooks import Webhook

EXAMPLE = Path(__file__).parent.parent / "config.example.yaml"

GROUPS: dict[str, type[Settings]] = {
    "": Config,
    "tls": Tls,
    "upstreams.default": Upstream,
    "upstreams.inventory": Upstream,
    "upstreams.inventory.targets": Target,
    "upstreams.inventory.retries": Retries,
    "upstreams.inventory.ejection": Ejection,
    "upstreams.inventory.checks": Checks,
    "upstreams.inventory.breaker": Breaker,
    "upstreams.search": Upstream,
    "upstreams.search.resolve": Resolve,
    "routes": Route,
    "routes.cors": Cors,
    "routes.response_headers": ResponseHeaders,
    "admin": Admin,
    "admin.tls": Tls,
    "admin.oidc": Oidc,
    "admin.webhooks.ops": Webhook,
    "limits": Limits,
    "tracing": Tracing,
    "postgres": Postgres,
    "cluster": Cluster,
}
"""Group of settings in the example → the model that it is read into."""

HAVE_DEFAULTS_OF_THEIR_OWN = {
    *((Config, "limits"), (Config, "postgres"), (Config, "cluster")),
    *((Upstream, "retries"), (Upstream, "ejection")),
}
"""Groups of which each setting has a default."""

SETTING = re.compile(r"( *)#?(- )?#?([a-z_]+):(?: |$)")


def uncommented() -> str:
    """The example with every setting set."""
    return re.sub(r"(?m)^( *)#(?=[a-z]|- )", r"\1", EXAMPLE.read_text())


def explained() -> Iterator[tuple[str, str, str]]:
    """Each setting in order: its group, its name, and the comment above it."""
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
    """The default of a setting as plain data."""
    default: Any = model.model_fields[name].default
    return default.model_dump() if isinstance(default, BaseModel) else default


def test_the_example_loads_as_it_stands() -> None:
    """Where every user has to choose a value it has one, and elsewhere it has the default."""
    config = load(EXAMPLE, {})
    for name in ("tls", "public_url", "store", "access_control", "limits", "bcrypt_rounds"):
        assert getattr(config, name) == Config.model_fields[name].default


def test_every_key_may_list_environments_and_account_keys_may_create_one() -> None:
    """By the routes of the example, and by those that the README shows."""
    readme = (EXAMPLE.parent / "README.md").read_text()
    shown = re.search(r"```yaml\n(routes:\n.*?)```", readme, re.DOTALL)
    assert shown
    for text in (EXAMPLE.read_text(), shown[1]):
        routes = [Route.model_validate(each) for each in yaml.safe_load(text)["routes"]]
        lists = [(each.access, each.methods) for each in routes if each.path == "/v1/projects"]
        assert lists == [("any", ["GET"]), ("account", None)]


def test_the_example_loads_with_every_setting_set(tmp_path: Path) -> None:
    """Each value that is shown for a setting with a default is that default."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "inventory-client.crt")
    issued.private_key_pem.write_to_path(tmp_path / "inventory-client.key")
    authority.cert_pem.write_to_path(tmp_path / "inventory-ca.pem")
    authority.cert_pem.write_to_path(tmp_path / "login-ca.pem")
    (tmp_path / "upstream-authorization").write_text("Bearer x\n")
    (tmp_path / "oidc-client-secret").write_text("x\n")
    (tmp_path / "oidc-client-secret").chmod(0o600)
    (tmp_path / "otlp-authorization").write_text("Bearer x\n")
    authority.cert_pem.write_to_path(tmp_path / "ops-ca.pem")
    authority.cert_pem.write_to_path(tmp_path / "postgres-ca.pem")
    (tmp_path / "postgres-password").write_text("x\n")
    (tmp_path / "postgres-password").chmod(0o600)
    (tmp_path / "webhook-secret").write_text(f"whsec_{'A' * 32}\n")
    (tmp_path / "webhook-secret").chmod(0o600)
    path = tmp_path / "wardgate.yaml"
    path.write_text(uncommented().replace("/etc/wardgate", str(tmp_path)))
    config = load(path, {})
    assert set(config.upstreams) == {"default", "inventory", "search"}
    assert config.upstreams["search"].resolve == Resolve()
    assert config.admin is not None
    assert config.admin.oidc is not None
    assert config.tracing is not None
    assert config.forward_auth is not None
    groups = {"tls", "upstreams", "routes", "admin", "tracing", "forward_auth", "postgres"}
    for settings, own in (
        (config, {"listen", "public_url"} | groups),
        (config.upstreams["default"], {"url", "authorization_file"}),
        (config.limits, set[str]()),
        (config.forward_auth, {"listen", "fields"}),
        (config.admin.webhooks["ops"], {"url", "secret_file", "ca_file"}),
        (config.admin.oidc, {"issuer", "client_id", "client_secret_file", "ca_file"}),
        (config.tracing, {"endpoint", "authorization_file"}),
        (config.postgres, {"password_file", "ca_file"}),
        (config.cluster, set[str]()),
    ):
        model = type(settings)
        for name in model.model_fields.keys() - own:
            assert getattr(settings, name) == model.model_fields[name].default, name


@pytest.mark.parametrize("group", GROUPS)
def test_the_example_names_every_setting_of_a_group(group: str) -> None:
    """It names no others. The three upstreams name all settings of an upstream between them."""
    named = {name for where, name, _ in explained() if where == group}
    if GROUPS[group] is Upstream:
        assert named < set(Upstream.model_fields)
        of_all = {name for where, name, _ in explained() if GROUPS.get(where) is Upstream}
        assert of_all == set(Upstream.model_fields)
    else:
        assert named == set(GROUPS[group].model_fields)


def test_the_comment_of_each_setting_states_its_default() -> None:
    """A setting without a default is called required."""
    unexplained = {(model, name) for model in set(GROUPS.values()) for name in model.model_fields}
    for group, name, comment in explained():
        model = GROUPS.get(group)
        if model is None or (model, name) not in unexplained:
            continue
        unexplained.remove((model, name))
        field = model.model_fields[name]
        stated = re.search(r"Default: (.*)\.$", comment)
        if field.is_required():
            assert re.search(r"Required\.( |$)", comment), name
        elif (model, name) in {(Config, "routes"), (Route, "access")}:
            assert stated, name  # in words: the default depends on other settings
        elif (model, name) not in HAVE_DEFAULTS_OF_THEIR_OWN:
            assert stated, name
            shown, true = yaml.safe_load(stated[1]), default_of(model, name)
            assert (size(shown) if isinstance(true, int) else shown) == true, name
    assert unexplained == set()
