"""`deploy/kubernetes`: what the API's own schemas say of it, and whether it fits what it deploys."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from poller.config.load import load, owners

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.34", "1.35", "1.36", "1.37")


def resources(folder: Path = DEPLOY) -> dict[str, dict[str, Any]]:
    """What the kustomization of a folder names, by kind."""
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    every = [one for name in names for one in yaml.safe_load_all((folder / name).read_text())]
    return {one["kind"]: one for one in every}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_the_api(version: str) -> None:
    """Of the versions that are maintained; an unknown key is an error, too."""
    found = resources()
    assert set(found) == {"StatefulSet", "Service", "NetworkPolicy"}
    for resource in found.values():
        kubernetes_validate.validate(resource, version, strict=True)
    found["StatefulSet"]["spec"]["template"]["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found["StatefulSet"], version, strict=True)


def test_one_pod_that_may_do_nothing_more() -> None:
    """One writer of a ledger, as the image's user, with the unit's limits."""
    spec = resources()["StatefulSet"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    unit = (ROOT / "systemd" / "sei-poller.service").read_text()
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    assert user is not None
    assert spec["replicas"] == 1
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == int(user[1])
    assert pod["securityContext"]["fsGroup"] == int(user[2])
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert f"TimeoutStopSec={pod['terminationGracePeriodSeconds']}\n" in unit
    assert f"MemoryMax={container['resources']['limits']['memory']}".rstrip("i") + "\n" in unit


def test_the_config_fits_the_pod() -> None:
    """It is a good one; the kubelet finds its page; each path is the image's."""
    settings = load(DEPLOY / "poller.toml", {"STATE_DIRECTORY": "/var/lib/sei-poller"})
    image = (ROOT / "Containerfile").read_text()
    pod = resources()["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert settings.status.listen == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    assert settings.ledger.path == f"{mounts['ledger']}/ledger.db"
    assert f"STATE_DIRECTORY={mounts['ledger']}" in image
    assert f"SEI_POLLER_CONFIG={mounts['config']}/poller.toml" in image
    assert all(owner.secret_credential is not None for owner in owners(settings))


def test_prometheus_finds_the_page() -> None:
    """The monitor selects the service, the service the pod, by the name of the port."""
    found = resources()
    monitor = resources(DEPLOY / "service-monitor")["ServiceMonitor"]
    service, template = found["Service"], found["StatefulSet"]["spec"]["template"]
    assert service["metadata"]["labels"] == monitor["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == template["metadata"]["labels"]
    assert found["StatefulSet"]["spec"]["serviceName"] == service["metadata"]["name"]
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    (rule,) = found["NetworkPolicy"]["spec"]["ingress"]
    assert rule["ports"] == [{"port": service["spec"]["ports"][0]["port"]}]


def rendered(folder: Path) -> list[dict[str, Any]]:
    """What kustomize makes of a folder."""
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_a_fleet_of_two_as_the_document_has_it(tmp_path: Path) -> None:
    """Each with a ledger, a config and labels of its own; both valid."""
    document = (ROOT / "docs" / "containers.md").read_text()
    overlay = re.search(r"```yaml\n(# east/kustomization\.yaml\n.*?)```", document, re.DOTALL)
    assert overlay is not None
    shutil.copytree(DEPLOY, tmp_path / "kubernetes")
    pods = []
    for name in ("east", "west"):
        (tmp_path / name).mkdir()
        text = overlay[1].replace("east", name)
        (tmp_path / name / "kustomization.yaml").write_text(text)
        config = (DEPLOY / "poller.toml").read_text().replace("main", name)
        (tmp_path / name / "poller.toml").write_text(config)
        found = {one["kind"]: one for one in rendered(tmp_path / name)}
        assert set(found) == {
            "ConfigMap", "NetworkPolicy", "Service", "ServiceMonitor", "StatefulSet"
        }  # fmt: skip
        for kind, resource in found.items():
            if kind != "ServiceMonitor":
                kubernetes_validate.validate(resource, VERSIONS[-1], strict=True)
        assert f'name = "{name}"' in found["ConfigMap"]["data"]["poller.toml"]
        labels = found["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
        assert found["Service"]["spec"]["selector"] == labels
        assert found["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
        pods.append((found["StatefulSet"]["metadata"]["name"], labels))
    assert pods[0][0] == "sei-poller-east"
    assert pods[0][1] != pods[1][1]
