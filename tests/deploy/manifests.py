"""The manifests of `deploy/kubernetes`, built by the real kustomize, as objects; and the pods that they make."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
Object = dict[str, Any]
WORKLOADS = ("StatefulSet", "Deployment", "Job", "CronJob")


def checker(name: str) -> Path:
    """One of the programs that `make checkers` builds."""
    path = ROOT / ".cache" / "checkers" / name
    assert path.is_file(), f"{path} is missing: make checkers"
    return path


def build(folder: Path) -> list[Object]:
    """What `kubectl apply -k folder` would send."""
    built = subprocess.run([checker("kustomize"), "build", folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert not built.stderr, built.stderr
    return [each for each in yaml.safe_load_all(built.stdout) if each]


@dataclass(frozen=True)
class Pod:
    """The pod template of a workload, with its one container."""

    owner: Object
    labels: dict[str, str]
    spec: Object

    @property
    def name(self) -> str:
        name: str = self.owner["metadata"]["name"]
        return name

    @property
    def container(self) -> Object:
        container: Object = self.spec["containers"][0]
        return container

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", ())}


def pods(objects: list[Object]) -> Iterator[Pod]:
    for each in objects:
        if each["kind"] in WORKLOADS:
            spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
            yield Pod(each, spec["template"]["metadata"]["labels"], spec["template"]["spec"])


def of(objects: list[Object], kind: str, name: str | None = None) -> list[Object]:
    return [each for each in objects if each["kind"] == kind and name in (None, each["metadata"]["name"])]


def one(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = of(objects, kind, name)
    return found


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector (`matchLabels`, `matchExpressions` with In) takes these labels."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        each["operator"] == "In" and labels.get(each["key"]) in each["values"]
        for each in selector.get("matchExpressions", ())
    )


def environment(pod: Pod, objects: list[Object]) -> dict[str, str]:
    """What the container's process finds in its environment; of Secrets a placeholder, of a field its path.

    What refers to nothing is left out.
    """
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of(objects, "ConfigMap")}
    found: dict[str, str] = {}
    for source in pod.container.get("envFrom", ()):
        found |= maps.get(source["configMapRef"]["name"], {})
    for each in pod.container.get("env", ()):
        if "value" in each:
            found[each["name"]] = each["value"]
            continue
        kind, reference = next(iter(each["valueFrom"].items()))
        if kind != "configMapKeyRef":
            found[each["name"]] = reference.get("fieldPath", "of-a-secret")
        elif reference["key"] in maps.get(reference["name"], {}):
            found[each["name"]] = maps[reference["name"]][reference["key"]]
    return found
