"""Write the schemas of KEDA's and the Prometheus Operator's resources again: `make crd-schemas` (needs Go).

They are taken from the CustomResourceDefinitions in the Go modules of both, without descriptions. The API server drops
members that a definition does not know; here they are errors, as kubeconform -strict has it for Kubernetes' own kinds.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "crds"
DEFINITIONS = {
    "github.com/kedacore/keda/v2@v2.21.0": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
}


def closed(schema: Any) -> Any:
    """The schema as JSON Schema: no descriptions, no member beside those that it names, null where that is allowed."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: closed(each) for name, each in value.items()} if key == "properties" else closed(value)
        for key, value in schema.items()
        if key not in ("description", "nullable", "default") and not key.startswith("x-")
    }
    if "properties" in found and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
        found["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if schema.get("nullable") and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found


def main() -> None:
    """Write a file for each kind and version, named as kubeconform looks for them."""
    FOLDER.mkdir(exist_ok=True)
    for module, paths in DEFINITIONS.items():
        fetched = subprocess.run(
            ["go", "mod", "download", "-json", module],
            cwd="/",
            env={**os.environ, "GOFLAGS": "-mod=mod"},
            capture_output=True,
            text=True,
            check=True,
        )
        for path in paths:
            definition = yaml.safe_load((Path(json.loads(fetched.stdout)["Dir"]) / path).read_text("utf-8"))["spec"]
            for version in definition["versions"]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                # the API server checks these itself; in the definition they are bare objects
                schema["properties"]["metadata"] = {"type": "object"}
                name = f"{definition['names']['kind'].lower()}-{definition['group']}-{version['name']}.json"
                (FOLDER / name).write_text(json.dumps(schema, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
