"""What the project ships for Prometheus and Grafana fits what a node tells."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.programs import program
from tests.proxy.cluster.nodes import first
from tests.proxy.metrics.test_registry import of_node
from tests.support.postgres import shared_server

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "wardgate.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())

_METRIC = re.compile(r"\b((?:wardgate|process)_[a-z_]+)\b(?=[\[{)\s]|$)")
_OF_HISTOGRAMS = re.compile(r"_(?:bucket|count|sum)$")


def expressions() -> Iterator[str]:
    """What the panels and annotations of the dashboard ask for."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["expr"]


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


@pytest.fixture
async def told(tmp_path: Path) -> set[str]:
    """The names of the metrics that a node tells, one of several that share a store."""
    async with first(tmp_path, shared_server().new_url()) as world:
        return set(re.findall(r"# TYPE (\S+)", of_node(world).decode()))


def used(expression: str) -> set[str]:
    """The names of the metrics in an expression; without the suffixes of histograms."""
    return {_OF_HISTOGRAMS.sub("", name) for name in _METRIC.findall(expression)}


async def test_the_dashboard_and_the_alerts_ask_for_what_a_node_tells(told: set[str]) -> None:
    """For nothing else, so that no panel stays empty and no alert silent."""
    for expression in (*expressions(), *(rule["expr"] for rule in rules())):
        asked = used(expression)
        assert asked or expression.startswith("up{"), expression
        assert asked <= told, expression


async def test_the_page_of_metrics_names_all_of_them(told: set[str]) -> None:
    """And no other, but for those of the process."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    named = set(re.findall(r"^\| `(wardgate_[a-z_]+)`", page, re.MULTILINE))
    assert named == {name for name in told if name.startswith("wardgate_")}


async def test_the_page_of_operations_knows_every_alert_and_no_metric_that_is_not_told(
    told: set[str],
) -> None:
    """So that whoever is woken by an alert finds there what to do."""
    page = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"`(Wardgate[A-Z]\w+)`", page)) == {rule["alert"] for rule in rules()}
    named = re.findall(r"`((?:wardgate|process)_[a-z_]+?)(?:_total)?(?:{.*?})?`", page)
    assert len(named) > 20
    assert set(named) <= {name.removesuffix("_total") for name in told}


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
    ],
    ids=lambda arguments: arguments[-1],
)
def test_promtool_accepts_what_prometheus_is_given(arguments: list[str]) -> None:
    """The alerts fire when they should, and for nothing that is well."""
    checked = subprocess.run(
        [program("promtool"), *arguments],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_is_tried() -> None:
    """Its test has a series for which it fires."""
    tried = (PROMETHEUS / "alerts_test.yml").read_text()
    for rule in rules():
        assert f'alertname="{rule["alert"]}"' in tried


def test_promtool_reads_what_the_dashboard_asks_for(tmp_path: Path) -> None:
    """Once Grafana has filled in its variables."""
    filled = [
        text.replace("$__rate_interval", "5m").replace("$instance", ".*") for text in expressions()
    ]
    recorded = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    checked = subprocess.run(
        [program("promtool"), "check", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
